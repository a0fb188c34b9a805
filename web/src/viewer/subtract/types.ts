/** How far the mask is moved before it is subtracted, pixels. */
export interface Shift {
  right: number
  down: number
}

/** A picture, as DICOM names it. */
export interface Named {
  sop: string
  frame: number
}

/** What is subtracted: as the device wrote, these pictures averaged, or the pictures of another stack at the same places. */
export type Mask = { kind: 'device' } | { kind: 'frames'; frames: readonly Named[] } | { kind: 'series'; stack: string }

export interface Subtraction {
  mask: Mask
  /** What a person moved the mask by, beside what the device says. */
  shift: Shift
  /** The part of the mask that is left in the picture, to tell where a vessel lies: 0 none, 1 all. */
  kept: number
}
