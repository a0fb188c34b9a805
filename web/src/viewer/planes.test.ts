import { describe, expect, it } from 'vitest'
import { awayFrom, cut, isOver, nearestPlane, type Plane } from './planes'

const axial = (z: number): Plane => ({
  origin: [-50, -50, z],
  row: [1, 0, 0],
  column: [0, 1, 0],
  width: 101,
  height: 101,
  betweenRows: 1,
  betweenColumns: 1,
})
const sagittal: Plane = { origin: [12, -50, 40], row: [0, 1, 0], column: [0, 0, -1], width: 101, height: 81, betweenRows: 1, betweenColumns: 1 }

describe('reference lines', () => {
  it('draws an axial picture on a sagittal one as the line at its height', () => {
    const line = cut(axial(7), sagittal)
    expect(line).not.toBeNull()
    const ends = [line?.from, line?.to].sort((a, b) => (a?.[1] ?? 0) - (b?.[1] ?? 0))
    expect(ends).toEqual([
      [12, -50.5, 7],
      [12, 50.5, 7],
    ])
  })

  it('draws nothing between parallel pictures, nor where the other does not reach', () => {
    expect(cut(axial(7), axial(9))).toBeNull()
    expect(cut({ ...axial(7), origin: [20, -50, 7] }, sagittal)).toBeNull()
  })

  it('goes by the slope of a tilted picture', () => {
    const tilt = Math.PI / 6
    const tilted: Plane = { ...axial(0), origin: [-50, 0, 0], column: [0, Math.cos(tilt), Math.sin(tilt)] }
    const line = cut(tilted, sagittal)
    const rise = ((line?.to[2] ?? 0) - (line?.from[2] ?? 0)) / ((line?.to[1] ?? 0) - (line?.from[1] ?? 0))
    expect(rise).toBeCloseTo(Math.tan(tilt), 6)
  })
})

describe('a place in a stack', () => {
  const stack = [axial(0), axial(5), axial(10)]

  it('is on the nearest picture', () => {
    expect(nearestPlane(stack, [0, 0, 6])).toBe(1)
    expect(nearestPlane(stack, [0, 0, 14])).toBe(2)
  })

  it('is on none that lies beside it or too far away', () => {
    expect(nearestPlane(stack, [80, 0, 5])).toBeNull()
    expect(nearestPlane(stack, [0, 0, 40])).toBeNull()
    expect(isOver(axial(0), [-50.4, 50.4, 99])).toBe(true)
    expect(isOver(axial(0), [-50.6, 0, 0])).toBe(false)
    expect(awayFrom(axial(3), [0, 0, 5])).toBe(2)
  })
})
