import { describe, expect, it } from 'vitest'
import {
  anchorAt,
  anchorInTheMiddle,
  cross,
  directionLetters,
  edgesOfPlane,
  edgesOfProjection,
  linkedIndex,
  normalOf,
  type Scrollable,
  type Vec3,
} from './geometry'

const HEAD: Vec3 = [0, 0, 1]
const stack = (positions: number[] | null, over: Partial<Scrollable> = {}): Scrollable => ({
  frameOfReferenceUid: '1.2.3',
  normal: HEAD,
  positions,
  length: positions?.length ?? 10,
  ...over,
})

describe('letters at the edges', () => {
  it('puts the patient’s left on the right of an axial picture seen from the feet', () => {
    // Camera up is to the front; the viewer stands at the feet.
    const up: Vec3 = [0, -1, 0]
    expect(edgesOfPlane(cross(up, [0, 0, -1]), up)).toEqual({ left: 'R', right: 'L', top: 'A', bottom: 'P' })
  })

  it('mirrors when the picture is turned to be seen from the head', () => {
    const up: Vec3 = [0, -1, 0]
    expect(edgesOfPlane(cross(up, HEAD), up)).toMatchObject({ left: 'L', right: 'R' })
  })

  it('names a sagittal picture', () => {
    const row: Vec3 = [0, 1, 0]
    expect(edgesOfPlane(row, [0, 0, 1])).toEqual({ left: 'A', right: 'P', top: 'H', bottom: 'F' })
  })

  it('adds the second direction of an oblique plane only where it matters', () => {
    expect(directionLetters([0.8, 0.6, 0])).toBe('LP')
    expect(directionLetters([0.99, 0.1, 0])).toBe('L')
  })

  it('reads a projection from Patient Orientation', () => {
    // A PA chest: rows run to the patient's left, columns to the feet (PS3.3 C.7.6.1.1.1).
    expect(edgesOfProjection(['L', 'F'], [1, 0, 0], [0, -1, 0])).toEqual({ left: 'R', right: 'L', top: 'H', bottom: 'F' })
    // The same, drawn mirrored.
    expect(edgesOfProjection(['L', 'F'], [-1, 0, 0], [0, -1, 0])).toMatchObject({ left: 'L', right: 'R' })
    // A left craniocaudal mammogram: rows to the front, columns to the right.
    expect(edgesOfProjection(['A', 'R'], [1, 0, 0], [0, -1, 0])).toEqual({ left: 'P', right: 'A', top: 'L', bottom: 'R' })
  })

  it('says nothing where the device said nothing', () => {
    expect(edgesOfProjection([], [1, 0, 0], [0, -1, 0])).toBeNull()
    expect(normalOf([])).toBeNull()
    expect(normalOf([1, 0, 0, 1, 0, 0])).toBeNull()
  })
})

describe('linked scrolling', () => {
  it('goes by the place itself within one frame of reference', () => {
    const thin = stack([0, 1, 2, 3, 4, 5, 6])
    const thick = stack([0, 3, 6])
    expect(linkedIndex(thin, 5, thick, anchorAt(thin, 0), anchorAt(thick, 0))).toBe(2)
  })

  it('goes by the place where the other stack runs the other way round', () => {
    const up = stack([0, 1, 2, 3])
    const down = stack([0, -1, -2, -3], { normal: [0, 0, -1] })
    expect(linkedIndex(up, 3, down, anchorAt(up, 0), anchorAt(down, 0))).toBe(3)
  })

  it('goes by millimetres from the anchors between two studies', () => {
    const now = stack([0, 5, 10, 15, 20])
    const then = stack([100, 102, 104, 106, 108, 110], { frameOfReferenceUid: '9.9' })
    expect(linkedIndex(now, 3, then, anchorAt(now, 2), anchorAt(then, 0))).toBe(2) // five millimetres on: 105, between 104 and 106
    expect(linkedIndex(now, 4, then, anchorAt(now, 2), anchorAt(then, 0))).toBe(5)
    expect(linkedIndex(now, 0, then, anchorAt(now, 2), anchorAt(then, 0))).toBe(0)
  })

  it('begins with the middles over each other', () => {
    const now = stack([0, 1, 2, 3, 4])
    const then = stack([50, 60, 70], { frameOfReferenceUid: '9.9' })
    expect(linkedIndex(now, 2, then, anchorInTheMiddle(now), anchorInTheMiddle(then))).toBe(1)
  })

  it('leaves another plane alone', () => {
    const sagittal = stack([0, 1, 2], { normal: [1, 0, 0] })
    const axial = stack([0, 1, 2])
    expect(linkedIndex(axial, 1, sagittal, anchorAt(axial, 0), anchorAt(sagittal, 0))).toBeNull()
  })

  it('counts images where there are no places, within the stack', () => {
    const cine = stack(null, { normal: null, length: 10 })
    const other = stack(null, { normal: null, length: 4 })
    expect(linkedIndex(cine, 2, other, anchorAt(cine, 0), anchorAt(other, 0))).toBe(2)
    expect(linkedIndex(cine, 9, other, anchorAt(cine, 0), anchorAt(other, 0))).toBe(3)
  })
})
