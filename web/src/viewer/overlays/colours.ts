/** Red, green and blue, 0 to 255. */
export type Rgb = readonly [number, number, number]

const D50 = [0.9642, 1, 0.8251] as const
/** From XYZ about D50, the white of the PCS, to linear sRGB about D65 (Bradford). */
const TO_LINEAR = [
  [3.1338561, -1.6168667, -0.4906146],
  [-0.9787684, 1.9161415, 0.033454],
  [0.0719453, -0.2289914, 1.4052427],
] as const

function unfolded(t: number): number {
  return t > 6 / 29 ? t ** 3 : 3 * (6 / 29) ** 2 * (t - 4 / 29)
}

/** CIELab (L* 0 to 100, a* and b* about 0) as the nearest colour that a screen has. */
export function rgbOfLab(L: number, a: number, b: number): Rgb {
  const y = (L + 16) / 116
  const xyz = [D50[0] * unfolded(y + a / 500), D50[1] * unfolded(y), D50[2] * unfolded(y - b / 200)] as const
  const part = (row: readonly [number, number, number]) => {
    const linear = Math.max(0, Math.min(1, row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2]))
    return Math.round(255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055))
  }
  return [part(TO_LINEAR[0]), part(TO_LINEAR[1]), part(TO_LINEAR[2])]
}

/** Recommended Display CIELab Value as it is stored, three US (PS3.3 C.10.7.1.1); null: it is not told whole. */
export function rgbOfStoredLab(stored: readonly number[]): Rgb | null {
  const [L, a, b] = stored
  if (L === undefined || a === undefined || b === undefined || stored.some((one) => one < 0 || one > 0xffff)) return null
  return rgbOfLab((L / 0xffff) * 100, (a / 0xffff) * 255 - 128, (b / 0xffff) * 255 - 128)
}

const GOLDEN_DEGREES = 137.50776
const LIGHTNESSES = [72, 84, 60] as const

/** For what says no colour: neighbours in the list are unlike each other, and none is as grey as a picture. */
export function paletteColour(number: number): Rgb {
  const hue = (((number - 1) * GOLDEN_DEGREES + 40) * Math.PI) / 180
  return rgbOfLab(LIGHTNESSES[Math.abs(number) % LIGHTNESSES.length] ?? 72, 62 * Math.cos(hue), 62 * Math.sin(hue))
}

export function css([red, green, blue]: Rgb): string {
  return `rgb(${red} ${green} ${blue})`
}
