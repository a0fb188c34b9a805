const MB = 1024 * 1024
const LEAST = 256 * MB
const MOST = 2048 * MB
/** Of a device that does not tell: a tablet ends a page that takes too much, a workstation swaps. */
const UNTOLD = { coarse: 512 * MB, fine: 1024 * MB }

/** How many bytes of pictures are kept: a quarter of the device's memory, which browsers tell in GB, if they do. */
export function bytesForPictures(deviceMemory: number | undefined, coarse: boolean): number {
  if (!deviceMemory || !Number.isFinite(deviceMemory)) return coarse ? UNTOLD.coarse : UNTOLD.fine
  return Math.min(MOST, Math.max(LEAST, (deviceMemory * 1024 * MB) / 4))
}
