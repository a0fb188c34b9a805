import { surfaceOf, type Grid, type Surface } from './surfaces'

const scope = globalThis as unknown as { onmessage: (event: MessageEvent<{ name: number; grid: Grid }>) => void; postMessage: (answer: { name: number; surface: Surface }, move: Transferable[]) => void }

scope.onmessage = ({ data }) => {
  const surface = surfaceOf(data.grid)
  scope.postMessage({ name: data.name, surface }, [surface.positions.buffer, surface.normals.buffer, surface.triangles.buffer])
}
