import { later } from '@/lib/later'

/** Has the program of planes and bodies come, which no first picture waits for. */
export async function comePlanes() {
  const { VolumeStage } = await import('./volume/VolumeStage')
  return { default: VolumeStage }
}

export const VolumeStage = later(comePlanes)
