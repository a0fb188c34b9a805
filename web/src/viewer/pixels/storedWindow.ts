import type { DicomJson } from '../dicom'
import { rangeOf, windowOf } from '../presets'
import { functionOf } from './plain'
import { shownBy } from './suv'

interface Window {
  center: number
  width: number
}

/** The window (LINEAR) by which others show a range that is shown here: in the values that an object stores, for they know nothing of our SUV. */
export function storedWindow(metadata: DicomJson, { lower, upper }: { lower: number; upper: number }): Window {
  const factor = shownBy(metadata)
  return windowOf({ lower: lower / factor, upper: upper / factor })
}

/** The inverse: a window of stored values as a window of those that are shown, by the picture's own function. */
export function shownWindow(metadata: DicomJson, window: Window): Window {
  const factor = shownBy(metadata)
  const { lower, upper } = rangeOf(window)
  return windowOf({ lower: lower * factor, upper: upper * factor }, functionOf(metadata))
}
