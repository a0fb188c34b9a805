type Attribute = { Value?: unknown[] }
type DicomJson = Record<string, Attribute | undefined>

/** One image as the list of a series shows it. */
export interface SeriesImage {
  sop_instance_uid: string
  instance_number: number | null
  pictured: boolean
}

/** Images as QIDO-RS answers them (PS3.18 10.6), in the order of their numbers. */
export function imagesOf(answer: readonly DicomJson[]): SeriesImage[] {
  const one = (set: DicomJson, tag: string) => set[tag]?.Value?.[0]
  return answer
    .map((set) => {
      const number = one(set, '00200013')
      return {
        sop_instance_uid: String(one(set, '00080018') ?? ''),
        instance_number: typeof number === 'number' ? number : null,
        pictured: Number(one(set, '00280010') ?? 0) > 0,
      }
    })
    .sort((a, b) => (a.instance_number ?? Infinity) - (b.instance_number ?? Infinity))
}

/** All from one image to another, whichever comes first. */
export function between(images: readonly SeriesImage[], from: string, to: string): string[] {
  const places = [from, to].map((uid) => images.findIndex((one) => one.sop_instance_uid === uid))
  if (places.includes(-1)) return [to]
  return images.slice(Math.min(...places), Math.max(...places) + 1).map((one) => one.sop_instance_uid)
}

/** What is said of chosen images, e.g. `3 images: 4, 7–8`. */
export function imagesLine(images: readonly SeriesImage[]): string {
  const numbers = images.map((one) => one.instance_number).filter((number) => number !== null)
  const runs: [number, number][] = []
  for (const number of numbers) {
    const run = runs.at(-1)
    if (run && (number === run[1] + 1 || number === run[1])) run[1] = number
    else runs.push([number, number])
  }
  const said = runs.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(', ')
  return `${images.length} ${images.length === 1 ? 'image' : 'images'}${said ? `: ${said}` : ''}`
}
