import { describe, expect, it } from 'vitest'
import { extentOf, fit, fittingScale, isFitted, isJustified, justify, mirror, oneToOne, rotate, type Turnable } from './camera'
import { chestWallOf } from './chestWall'
import { cross, edgesOfPlane, vec3, type Vec3 } from './geometry'

/** A viewport as Cornerstone's: flipping negates the direction to the viewer, and the direction up where it is vertical. */
function axial(over: object = {}) {
  let camera: Record<string, unknown> = {
    viewUp: [0, -1, 0],
    viewPlaneNormal: [0, 0, -1],
    focalPoint: [0, 0, 7],
    position: [0, 0, -100],
    parallelScale: 100,
    flipHorizontal: false,
    flipVertical: false,
    ...over,
  }
  const negated = (key: string) => (camera[key] as number[]).map((value) => -value)
  const viewport = {
    element: { clientWidth: 400, clientHeight: 200 } as HTMLElement,
    getCamera: () => camera,
    setCamera: (next: Record<string, unknown>) => {
      if ('flipHorizontal' in next && next['flipHorizontal'] !== camera['flipHorizontal'])
        camera = { ...camera, viewPlaneNormal: negated('viewPlaneNormal') }
      if ('flipVertical' in next && next['flipVertical'] !== camera['flipVertical'])
        camera = { ...camera, viewPlaneNormal: negated('viewPlaneNormal'), viewUp: negated('viewUp') }
      camera = { ...camera, ...next }
    },
    render: () => undefined,
    getImageData: () => ({ dimensions: [300, 100, 1], spacing: [0.5, 2, 1], direction: [1, 0, 0, 0, 1, 0, 0, 0, 1], origin: [-74.75, -99, 7] }),
  }
  return viewport as Turnable & typeof viewport
}

function letters(viewport: ReturnType<typeof axial>) {
  const up = vec3(viewport.getCamera()['viewUp'] as number[]) as Vec3
  const toViewer = vec3(viewport.getCamera()['viewPlaneNormal'] as number[]) as Vec3
  const { top, right, bottom, left } = edgesOfPlane(cross(up, toViewer), up)
  return top + right + bottom + left
}

describe('turning', () => {
  it('moves what is at the top to the right', () => {
    const viewport = axial()
    expect(letters(viewport)).toBe('ALPR')
    rotate(viewport, 1)
    expect(letters(viewport)).toBe('RALP')
    rotate(viewport, -1)
    rotate(viewport, -1)
    expect(letters(viewport)).toBe('LPRA')
  })

  it('is clockwise on the screen also of a mirrored picture', () => {
    const viewport = axial()
    mirror(viewport, 'horizontal')
    expect(letters(viewport)).toBe('ARPL')
    rotate(viewport, 1)
    expect(letters(viewport)).toBe('LARP')
  })

  it('mirrors top to bottom without exchanging the sides', () => {
    const viewport = axial()
    mirror(viewport, 'vertical')
    expect(letters(viewport)).toBe('PLAR')
    mirror(viewport, 'vertical')
    expect(letters(viewport)).toBe('ALPR')
  })

  it('comes back after four quarters', () => {
    const viewport = axial()
    for (let quarter = 0; quarter < 4; quarter++) rotate(viewport, 1)
    expect(letters(viewport)).toBe('ALPR')
  })
})

describe('fitting', () => {
  const image = axial().getImageData() as NonNullable<ReturnType<Turnable['getImageData']>>

  it('measures a picture along the screen’s axes, by its own spacing', () => {
    expect(extentOf(image, [1, 0, 0], [0, -1, 0])).toMatchObject({ halfRight: 75, halfUp: 100, centre: [0, 0, 7] })
    expect(extentOf(image, [0, 1, 0], [1, 0, 0])).toMatchObject({ halfRight: 100, halfUp: 75 })
  })

  it('leaves no part out, by height or by width', () => {
    const extent = { centre: [0, 0, 0] as Vec3, halfRight: 75, halfUp: 100 }
    expect(fittingScale(extent, 400, 200)).toBe(100)
    expect(fittingScale(extent, 100, 200)).toBe(150)
  })

  it('brings the picture back to the middle on the slice that is shown', () => {
    const viewport = axial({ focalPoint: [30, 10, 9], position: [30, 10, -98], parallelScale: 20 })
    expect(isFitted(viewport)).toBe(false)
    fit(viewport)
    expect(viewport.getCamera()).toMatchObject({ focalPoint: [0, 0, 9], position: [0, 0, -98], parallelScale: 100 })
    expect(isFitted(viewport)).toBe(true)
  })

  it('fits again what was fitted before it was turned', () => {
    const viewport = axial()
    rotate(viewport, 1)
    expect(viewport.getCamera()['parallelScale']).toBe(75)
  })

  it('puts one row of the image on one row of the screen', () => {
    const viewport = axial()
    oneToOne(viewport, 2)
    // 200 CSS pixels are 400 of the screen: 400 rows of 2 mm, of which the scale is half.
    expect(viewport.getCamera()['parallelScale']).toBe(400)
  })
})

describe('justifying', () => {
  // The picture is 150 mm wide and 200 high; the pane twice as wide as high: 125 mm are free at each side.
  it.each([
    ['left', 125],
    ['right', -125],
  ] as const)('puts it at the %s', (side, beside) => {
    const viewport = axial()
    justify(viewport, side)
    const { focalPoint, parallelScale } = viewport.getCamera() as { focalPoint: number[]; parallelScale: number }
    expect(parallelScale).toBeCloseTo(100)
    expect(focalPoint[0]).toBeCloseTo(beside)
    expect(focalPoint[1]).toBeCloseTo(0)
    expect(isJustified(viewport, side, 400, 200)).toBe(true)
    expect(isJustified(viewport, side === 'left' ? 'right' : 'left', 400, 200)).toBe(false)
    expect(isJustified(viewport, side, 300, 200)).toBe(false)
    fit(viewport)
    expect(isJustified(viewport, side, 400, 200)).toBe(false)
  })

  it('goes by the chest wall of mammograms alone', () => {
    const of = (modality: string, orientation: string[], viewport = axial()) => chestWallOf({ '00080060': { vr: 'CS', Value: [modality] } }, orientation, viewport.getCamera())
    expect(of('MG', ['P', 'L'])).toBe('right')
    expect(of('MG', ['A', 'R'])).toBe('left')
    expect(of('MG', ['PR', 'FR'])).toBe('right')
    expect(of('MG', ['L', 'F'])).toBe(null)
    expect(of('MG', [])).toBe(null)
    expect(of('DX', ['P', 'F'])).toBe(null)
    const mirrored = axial()
    mirror(mirrored, 'horizontal')
    expect(of('MG', ['P', 'L'], mirrored)).toBe('left')
    const turned = axial()
    rotate(turned, 1)
    expect(of('MG', ['P', 'L'], turned)).toBe(null)
  })
})
