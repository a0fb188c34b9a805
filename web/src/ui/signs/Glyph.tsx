import type { ReactNode } from 'react'
import type { Shape } from './states'

const stroke = { fill: 'none', stroke: 'currentColor', strokeWidth: 1.6, strokeLinecap: 'round', strokeLinejoin: 'round' } as const

const SHAPES: Record<Shape, ReactNode> = {
  ring: <circle cx="7" cy="7" r="5" {...stroke} />,
  half: (
    <>
      <circle cx="7" cy="7" r="5" {...stroke} />
      <path d="M7 2a5 5 0 0 0 0 10z" fill="currentColor" />
    </>
  ),
  target: (
    <>
      <circle cx="7" cy="7" r="5" {...stroke} />
      <circle cx="7" cy="7" r="2.2" fill="currentColor" />
    </>
  ),
  play: (
    <>
      <circle cx="7" cy="7" r="6" fill="currentColor" />
      <path d="M5.6 4.4v5.2L9.8 7z" fill="var(--glyph-hole)" />
    </>
  ),
  check: (
    <>
      <rect x="1" y="1" width="12" height="12" rx="2.5" fill="currentColor" />
      <path d="M4 7.2 6.2 9.4 10.2 5" {...stroke} stroke="var(--glyph-hole)" />
    </>
  ),
  minus: (
    <>
      <rect x="1.8" y="1.8" width="10.4" height="10.4" rx="2" {...stroke} />
      <path d="M4.5 7h5" {...stroke} />
    </>
  ),
  slash: (
    <>
      <circle cx="7" cy="7" r="5" {...stroke} />
      <path d="M3.6 10.4 10.4 3.6" {...stroke} />
    </>
  ),
  pencil: <path d="M2.5 11.5 3 9l6.2-6.2a1.2 1.2 0 0 1 1.7 0l.3.3a1.2 1.2 0 0 1 0 1.7L5 11zM8 4l2 2" {...stroke} />,
  page: (
    <>
      <path d="M3 1.8h5L11 5v7.2H3z" {...stroke} />
      <path d="M5 7h4M5 9.5h2" {...stroke} />
    </>
  ),
  seal: (
    <>
      <path d="M2.5 1h6.3L12 4.2V13H2.5z" fill="currentColor" />
      <path d="M5 7.6 6.7 9.3 9.8 6" {...stroke} stroke="var(--glyph-hole)" />
    </>
  ),
  plus: (
    <>
      <path d="M2.5 1h6.3L12 4.2V13H2.5z" fill="currentColor" />
      <path d="M7.2 5.2v5M4.7 7.7h5" {...stroke} stroke="var(--glyph-hole)" />
    </>
  ),
  alert: (
    <>
      <path d="M7 .9 13.6 12.6H.4z" fill="currentColor" />
      <path d="M7 5v3.4M7 10.4v.2" {...stroke} stroke="var(--glyph-hole)" />
    </>
  ),
  clock: (
    <>
      <circle cx="7" cy="7" r="5.2" {...stroke} />
      <path d="M7 4v3.2L9 8.4" {...stroke} />
    </>
  ),
  arrow: <path d="M2 7h9M7.5 3.5 11 7l-3.5 3.5" {...stroke} />,
  lock: (
    <>
      <rect x="2.2" y="6" width="9.6" height="7" rx="1.5" fill="currentColor" />
      <path d="M4.4 6V4.2a2.6 2.6 0 0 1 5.2 0V6" {...stroke} />
    </>
  ),
  question: (
    <>
      <path d="M7 .8 13.2 7 7 13.2.8 7z" {...stroke} />
      <path d="M5.6 5.7c0-1.9 2.9-1.9 2.9-.2C8.5 6.7 7 6.6 7 8M7 9.9v.1" {...stroke} strokeWidth="1.4" />
    </>
  ),
  coin: (
    <>
      <circle cx="7" cy="7" r="6" fill="currentColor" />
      <path d="M4 7.2 6.2 9.4 10.2 5" {...stroke} stroke="var(--glyph-hole)" />
    </>
  ),
}

/** The shape of a state; decorative, as the word stands beside it. */
export function Glyph({ shape, size = 14 }: { shape: Shape; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 14 14" aria-hidden focusable="false" style={{ flex: 'none' }}>
      {SHAPES[shape]}
    </svg>
  )
}
