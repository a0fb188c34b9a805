import { useQuery } from '@tanstack/react-query'
import { useMemo } from 'react'
import { bytesOf } from '../bulk'
import type { Frame } from '../stacks'
import type { ToPane } from '../view'
import { overlaysOf, painted, type Overlay } from './overlays'
import { shuttersOf } from './shutters'
import classes from './presentation.module.css'

/** A pale green that no grey of a picture has. */
const COLOUR = [141, 232, 168] as const

/** What the device says to lay over a picture: overlays, and shutters that hide what lies outside of them. */
export function Marks({ frame, toPane }: { frame: Frame; toPane: ToPane }) {
  const overlays = useMemo(() => overlaysOf(frame.metadata, frame.frameNumber), [frame])
  const shutters = useMemo(() => shuttersOf(frame.metadata), [frame])
  if (!overlays.length && !shutters.length) return null
  return (
    <svg className={classes['marks']} aria-hidden data-testid="marks">
      <g transform={`matrix(${toPane.join(' ')})`}>
        {overlays.map((overlay) => (
          <Plane key={overlay.group} overlay={overlay} of={frame.imageId} />
        ))}
        {shutters.map((path) => (
          <path key={path} data-shutter fillRule="evenodd" d={`M-1e5 -1e5H1e5V1e5H-1e5Z${path}`} />
        ))}
      </g>
    </svg>
  )
}

function Plane({ overlay, of }: { overlay: Overlay; of: string }) {
  const { data } = useQuery({
    queryKey: ['overlay', of, overlay.group],
    staleTime: Infinity,
    queryFn: async () => {
      const canvas = document.createElement('canvas')
      canvas.width = overlay.columns
      canvas.height = overlay.rows
      const pixels = painted(overlay, await bytesOf(overlay.data), COLOUR)
      canvas.getContext('2d')?.putImageData(new ImageData(pixels, overlay.columns, overlay.rows), 0, 0)
      return canvas.toDataURL()
    },
  })
  return data ? (
    <image href={data} x={overlay.origin[1] - 1} y={overlay.origin[0] - 1} width={overlay.columns} height={overlay.rows} data-overlay={overlay.group} />
  ) : null
}
