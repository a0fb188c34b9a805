import { spanWords, xOf, yOf, type Sheet, type Span, type Strip } from './sheet'
import classes from './waveform.module.css'

/** Two places on a strip with what lies between them; `held`: the end that keys move. */
export function Calipers({ sheet, strip, span, held, scale }: { sheet: Sheet; strip: Strip; span: Span; held: 'from' | 'to'; scale: number }) {
  const place = (end: 'from' | 'to') => [xOf(sheet, strip, span[end].time_s) * scale, yOf(strip, span[end].value) * scale] as const
  const [[x1, y1], [x2, y2]] = [place('from'), place('to')]
  const [top, bottom] = [(strip.middle - strip.reach) * scale, (strip.middle + strip.reach) * scale]
  const words = spanWords(span, strip)
  const left = Math.max(x1, x2) + 8
  const before = left > sheet.width * scale - 110
  return (
    <>
      <svg className={classes['over']} width={sheet.width * scale} height={sheet.height * scale} aria-hidden data-testid="calipers">
        <line x1={x1} x2={x1} y1={top} y2={bottom} />
        <line x1={x2} x2={x2} y1={top} y2={bottom} />
        <line x1={x1} x2={x2} y1={y1} y2={y1} className={classes['level']} />
        <line x1={x1} x2={x2} y1={y2} y2={y2} className={classes['level']} />
        <line x1={x1} x2={x2} y1={(top + bottom) / 2} y2={(top + bottom) / 2} />
        <circle cx={held === 'from' ? x1 : x2} cy={held === 'from' ? y1 : y2} r={4} />
      </svg>
      <output className={classes['span']} style={{ left: before ? Math.min(x1, x2) - 8 : left, top: (top + bottom) / 2, transform: before ? 'translate(-100%, -50%)' : 'translateY(-50%)' }} aria-label="Calipers">
        {words.map((line) => (
          <span key={line}>{line}</span>
        ))}
      </output>
    </>
  )
}
