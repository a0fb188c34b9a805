/** What is drawn over pictures as SVG, drawn on a canvas: with the page's own fonts, which an SVG that is read as a picture lacks. */

export interface Drawing {
  /** Pixels of the canvas a pixel of the SVG. */
  scale: number
  /** How much larger words and lines are drawn than on the screen, so that they can be read on a large picture. */
  enlarge: number
  /** Words that must not be drawn; what has them is left out. */
  mayShow: (words: string) => boolean
}

type Context = CanvasRenderingContext2D

/** Draws all that can be seen of an SVG. Answers how many texts were left out. */
export function drawSvg(context: Context, svg: SVGSVGElement, drawing: Drawing): number {
  context.save()
  context.scale(drawing.scale, drawing.scale)
  const leftOut = drawChildren(context, svg, drawing)
  context.restore()
  return leftOut
}

function drawChildren(context: Context, parent: Element, drawing: Drawing): number {
  let leftOut = 0
  for (const child of parent.children) if (child instanceof SVGGraphicsElement) leftOut += drawElement(context, child, drawing)
  return leftOut
}

function drawElement(context: Context, element: SVGGraphicsElement, drawing: Drawing): number {
  if (element instanceof SVGDefsElement) return 0
  const style = getComputedStyle(element)
  if (style.display === 'none' || style.visibility === 'hidden') return 0
  context.save()
  const turned = element.transform.baseVal.consolidate()?.matrix
  if (turned) context.transform(turned.a, turned.b, turned.c, turned.d, turned.e, turned.f)
  context.globalAlpha *= Number(style.opacity) || 0
  let leftOut = 0
  if (element instanceof SVGTextElement) leftOut = drawWords(context, element, drawing)
  else if (element instanceof SVGGeometryElement) drawPath(context, pathOf(element), style, drawing)
  else leftOut = drawChildren(context, element, drawing)
  context.restore()
  return leftOut
}

function drawPath(context: Context, path: Path2D, style: CSSStyleDeclaration, { scale, enlarge }: Drawing): void {
  const alpha = context.globalAlpha
  if (style.fill !== 'none') {
    context.fillStyle = style.fill
    context.globalAlpha = alpha * Number(style.fillOpacity)
    context.fill(path, style.fillRule === 'evenodd' ? 'evenodd' : 'nonzero')
  }
  if (style.stroke !== 'none') {
    context.strokeStyle = style.stroke
    context.globalAlpha = alpha * Number(style.strokeOpacity)
    context.lineWidth = (parseFloat(style.strokeWidth) || 1) * enlarge
    context.setLineDash(style.strokeDasharray === 'none' ? [] : style.strokeDasharray.split(/[ ,]+/).map((part) => parseFloat(part) * enlarge))
    if (style.vectorEffect === 'non-scaling-stroke') strokeAsOnScreen(context, path, scale, style.strokeLinejoin)
    else context.stroke(path)
  }
  context.globalAlpha = alpha
}

/** A line as wide as it is said, however its path is turned and stretched. */
function strokeAsOnScreen(context: Context, path: Path2D, scale: number, join: string): void {
  const turned = context.getTransform()
  const outer = new Path2D()
  outer.addPath(path, new DOMMatrix().scale(1 / scale).multiply(turned))
  context.save()
  context.setTransform(scale, 0, 0, scale, 0, 0)
  context.lineJoin = join as CanvasLineJoin
  context.stroke(outer)
  context.restore()
}

function pathOf(element: SVGGeometryElement): Path2D {
  const path = new Path2D()
  const at = (name: string) => parseFloat(element.getAttribute(name) ?? '0') || 0
  if (element instanceof SVGPathElement) return new Path2D(element.getAttribute('d') ?? '')
  if (element instanceof SVGLineElement) {
    path.moveTo(at('x1'), at('y1'))
    path.lineTo(at('x2'), at('y2'))
  } else if (element instanceof SVGCircleElement) path.arc(at('cx'), at('cy'), at('r'), 0, 2 * Math.PI)
  else if (element instanceof SVGEllipseElement) path.ellipse(at('cx'), at('cy'), at('rx'), at('ry'), 0, 0, 2 * Math.PI)
  else if (element instanceof SVGRectElement) path.rect(at('x'), at('y'), at('width'), at('height'))
  else if (element instanceof SVGPolylineElement || element instanceof SVGPolygonElement) {
    const points = [...element.points]
    points.forEach(({ x, y }, index) => (index ? path.lineTo(x, y) : path.moveTo(x, y)))
    if (element instanceof SVGPolygonElement) path.closePath()
  }
  return path
}

function drawWords(context: Context, element: SVGTextElement, drawing: Drawing): number {
  if (!drawing.mayShow(element.textContent ?? '')) return 1
  const letters = element.getNumberOfChars()
  if (!letters) return 0
  const first = element.getStartPositionOfChar(0)
  let at = 0
  const lines = element.children.length ? [...element.children] : [element]
  for (const line of lines) {
    const words = line.textContent ?? ''
    if (words && at < letters) {
      const style = getComputedStyle(line)
      const place = element.getStartPositionOfChar(at)
      context.save()
      // About where the words begin, so that lines stay apart and words stay at their place.
      context.translate(first.x, first.y)
      context.scale(drawing.enlarge, drawing.enlarge)
      context.translate(place.x - first.x, place.y - first.y)
      context.font = `${style.fontStyle} ${style.fontWeight} ${style.fontSize} ${style.fontFamily}`
      context.textBaseline = 'alphabetic'
      context.lineJoin = 'round'
      context.lineWidth = 3
      context.strokeStyle = 'black'
      context.strokeText(words, 0, 0)
      context.fillStyle = style.fill === 'none' ? style.color : style.fill
      context.fillText(words, 0, 0)
      context.restore()
    }
    at += words.length
  }
  return 0
}
