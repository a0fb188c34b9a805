/** Draws the colours that lie over a picture as they lie on the screen; `scale`: pixels of the canvas a pixel of the screen. */
export function drawWashes(context: CanvasRenderingContext2D, holder: ParentNode, scale: number): void {
  for (const wash of holder.querySelectorAll<HTMLCanvasElement>('canvas[data-wash]')) {
    const [a, b, c, d, e, f] = (wash.dataset['wash'] ?? '').split(' ').map(Number)
    context.save()
    context.scale(scale, scale)
    context.transform(a ?? 1, b ?? 0, c ?? 0, d ?? 1, e ?? 0, f ?? 0)
    context.globalAlpha = Number(wash.style.opacity)
    context.imageSmoothingEnabled = true
    context.drawImage(wash, 0, 0)
    context.restore()
  }
}
