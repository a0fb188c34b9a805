/** A window: centre and width in the image's own units (HU for CT). */
export interface WindowPreset {
  label: string
  center: number
  width: number
}

const BRAIN: WindowPreset = { label: 'Brain', center: 40, width: 80 }
const STROKE: WindowPreset = { label: 'Stroke', center: 35, width: 35 }
const SUBDURAL: WindowPreset = { label: 'Subdural', center: 75, width: 215 }
const BONE: WindowPreset = { label: 'Bone', center: 500, width: 2500 }
const SOFT: WindowPreset = { label: 'Soft tissue', center: 50, width: 400 }
const LUNG: WindowPreset = { label: 'Lung', center: -600, width: 1500 }
const MEDIASTINUM: WindowPreset = { label: 'Mediastinum', center: 50, width: 350 }
const LIVER: WindowPreset = { label: 'Liver', center: 90, width: 150 }
const ANGIO: WindowPreset = { label: 'Angio', center: 300, width: 600 }

const HEAD = new Set(['HEAD', 'BRAIN', 'SKULL', 'HEADNECK', 'ORBIT', 'IAC', 'SELLA', 'SINUS'])
const CHEST = new Set(['CHEST', 'LUNG', 'THORAX', 'HEART'])

/** Windows for keys 1 to 9. Only CT has units that mean the same everywhere; others show what the scanner wrote. */
export function presetsFor(modality: string | null, bodyPart: string | null): readonly WindowPreset[] {
  if (modality !== 'CT') return []
  const part = bodyPart?.toUpperCase() ?? ''
  if (HEAD.has(part)) return [BRAIN, STROKE, SUBDURAL, BONE, SOFT, ANGIO]
  if (CHEST.has(part)) return [MEDIASTINUM, LUNG, BONE, SOFT, ANGIO]
  return [SOFT, LUNG, BONE, LIVER, ANGIO, BRAIN]
}

/** The range of values shown between black and white, by PS3.3 C.11.2.1.2.1 (LINEAR), or C.11.2.1.3.2 (LINEAR_EXACT). */
export function rangeOf(window: { center: number; width: number }, voiFunction = 'LINEAR'): { lower: number; upper: number } {
  if (voiFunction === 'LINEAR_EXACT') return { lower: window.center - window.width / 2, upper: window.center + window.width / 2 }
  const width = Math.max(1, window.width)
  return { lower: window.center - 0.5 - (width - 1) / 2, upper: window.center - 0.5 + (width - 1) / 2 }
}

/** The window of a range: the inverse of `rangeOf`; by LINEAR_EXACT (PS3.3 C.11.2.1.3.2) the range is the width. */
export function windowOf(range: { lower: number; upper: number }, voiFunction = 'LINEAR'): { center: number; width: number } {
  const exact = voiFunction === 'LINEAR_EXACT'
  return { center: (range.lower + range.upper) / 2 + (exact ? 0 : 0.5), width: range.upper - range.lower + (exact ? 0 : 1) }
}
