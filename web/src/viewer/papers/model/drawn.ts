import type vtkActor from '@kitware/vtk.js/Rendering/Core/Actor'
import vtkDataArray from '@kitware/vtk.js/Common/Core/DataArray'
import vtkImageData from '@kitware/vtk.js/Common/DataModel/ImageData'
import vtkTexture from '@kitware/vtk.js/Rendering/Core/Texture'
import vtkRenderer from '@kitware/vtk.js/Rendering/Core/Renderer'
import vtkRenderWindow from '@kitware/vtk.js/Rendering/Core/RenderWindow'
import vtkOpenGLRenderWindow from '@kitware/vtk.js/Rendering/OpenGL/RenderWindow'
import { along, dot, subtract, type Vec3 } from '../../geometry'
import { actorOfTriangles } from '../../triangles'
import { FRONT, rightOf, type Look } from './look'
import type { Model } from './read'

type Rgb = readonly [number, number, number]

const ROOM = 1.08

/** Whether this browser draws in three dimensions at all. */
export function canDraw(): boolean {
  const context = document.createElement('canvas').getContext('webgl2')
  context?.getExtension('WEBGL_lose_context')?.loseContext()
  return context !== null
}

/** A model on a canvas of its own. */
export class Drawn {
  private readonly window = vtkRenderWindow.newInstance()
  private readonly renderer: vtkRenderer
  private readonly view = vtkOpenGLRenderWindow.newInstance()
  private readonly actors: vtkActor[] = []
  private readonly middle: Vec3
  private readonly radius: number
  private size: readonly [number, number] = [1, 1]
  private look = FRONT
  private due = 0

  constructor(
    private readonly box: HTMLElement,
    model: Model,
    ground: Rgb,
  ) {
    this.renderer = vtkRenderer.newInstance({ background: [...ground] })
    this.window.addRenderer(this.renderer)
    this.window.addView(this.view)
    this.view.setContainer(box)
    this.middle = [0, 1, 2].map((axis) => ((model.least[axis] ?? 0) + (model.most[axis] ?? 0)) / 2) as unknown as Vec3
    this.radius = Math.max(1e-6, Math.hypot(...subtract(model.most as Vec3, model.least as Vec3)) / 2)
    for (const { positions, normals, places } of model.solids) {
      const actor = actorOfTriangles({ positions, normals, places: places ?? undefined }, 0.12, 0.84)
      this.actors.push(actor)
      this.renderer.addActor(actor)
    }
  }

  /** `looks`: of each solid. */
  paint(looks: readonly { colour: Rgb; opacity: number; shown: boolean }[]): void {
    this.actors.forEach((actor, at) => {
      const look = looks[at]
      if (!look) return
      actor.setVisibility(look.shown)
      actor.getProperty().setColor(...look.colour)
      actor.getProperty().setOpacity(look.opacity)
    })
    this.later()
  }

  /** Lays a picture on a solid that says where in it its corners lie. */
  cover(at: number, picture: ImageData): void {
    const { width, height, data } = picture
    // Its first row is the uppermost; that of a texture the lowest.
    const values = new Uint8Array(data.length)
    for (let row = 0; row < height; row += 1) values.set(data.subarray(4 * row * width, 4 * (row + 1) * width), 4 * (height - 1 - row) * width)
    const image = vtkImageData.newInstance()
    image.setDimensions(width, height, 1)
    image.getPointData().setScalars(vtkDataArray.newInstance({ numberOfComponents: 4, values, name: 'Picture' }))
    const texture = vtkTexture.newInstance({ repeat: true, interpolate: true })
    texture.setInputData(image)
    this.actors[at]?.addTexture(texture)
    this.later()
  }

  show(look: Look): void {
    this.look = look
    this.later()
  }

  resize(width: number, height: number): void {
    if (width < 1 || height < 1) return
    const dense = Math.min(2, window.devicePixelRatio || 1)
    this.size = [width, height]
    this.view.setSize(Math.round(width * dense), Math.round(height * dense))
    this.later()
  }

  /** CSS pixels of one of its numbers. */
  get pixels(): number {
    return (Math.min(...this.size) * this.look.zoom) / (2 * ROOM * this.radius)
  }

  /** Where a place in the window lies on the plane through the middle of what is looked at. */
  placeAt(x: number, y: number): Vec3 {
    const box = this.box.getBoundingClientRect()
    const scale = this.pixels
    const right = (x - box.left - box.width / 2) / scale
    const upwards = -(y - box.top - box.height / 2) / scale
    return along(along(this.target(), rightOf(this.look), right), this.look.up, upwards)
  }

  seenAt(place: Vec3): readonly [number, number] {
    const box = this.box.getBoundingClientRect()
    const away = subtract(place, this.target())
    return [box.left + box.width / 2 + dot(away, rightOf(this.look)) * this.pixels, box.top + box.height / 2 - dot(away, this.look.up) * this.pixels]
  }

  private target(): Vec3 {
    return along(along(this.middle, rightOf(this.look), this.look.pan[0]), this.look.up, this.look.pan[1])
  }

  private later(): void {
    if (this.due) return
    this.due = requestAnimationFrame(() => {
      this.due = 0
      this.draw()
    })
  }

  private draw(): void {
    const camera = this.renderer.getActiveCamera()
    const target = this.target()
    const away = 4 * this.radius
    camera.setParallelProjection(true)
    camera.setFocalPoint(...target)
    camera.setPosition(...along(target, this.look.from, away))
    camera.setViewUp(...this.look.up)
    camera.setParallelScale(this.size[1] / (2 * this.pixels))
    camera.setClippingRange(away - 1.5 * this.radius, away + 1.5 * this.radius)
    this.window.render()
    this.box.dataset['drawn'] = String(Number(this.box.dataset['drawn'] ?? 0) + 1)
  }

  end(): void {
    cancelAnimationFrame(this.due)
    this.renderer.removeAllViewProps()
    const canvas = this.view.getCanvas()
    this.view.setContainer(null as unknown as HTMLElement)
    this.window.removeView(this.view)
    this.view.delete()
    this.window.delete()
    canvas?.remove()
  }
}
