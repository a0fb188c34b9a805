import { formatGroup, parsePersonName } from '@/lib/personname'
import { asDate, formatDicomDate, formatMoment, formatSpan } from '@/lib/time'
import { Glyph } from './Glyph'
import { stateLook, type StateOf } from './states'
import classes from './signs.module.css'
import { useNow } from './useNow'

export { Glyph } from './Glyph'
export { stateKey, stateLook, type Shape, type StateLook, type StateOf, type Tint } from './states'
export { useNow } from './useNow'

type Moment = string | number | Date | null | undefined

/** A state as its one sign: word, shape and tint. `of` says which state machine it belongs to. */
export function StateSign({ state, of, bare = false }: { state: string | null | undefined; of?: StateOf; bare?: boolean }) {
  if (!state) return null
  const look = stateLook(state, of)
  return (
    <span className={[classes['sign'], classes[look.tint], bare ? classes['bare'] : ''].join(' ')}>
      <Glyph shape={look.shape} />
      {look.word}
    </span>
  )
}

/** How long ago something was, running. */
export function Age({ since, className }: { since: Moment; className?: string }) {
  const date = asDate(since)
  const now = useNow(date && Date.now() - date.getTime() > 3_600_000 ? 60_000 : 1000)
  if (!date) return null
  return (
    <time className={[classes['age'], className].join(' ')} dateTime={date.toISOString()} title={formatMoment(date)}>
      {formatSpan(now - date.getTime())}
    </time>
  )
}

/** The filled amber flag of a STAT request with its age running. */
export function StatFlag({ since }: { since?: Moment }) {
  return (
    <span className={classes['flag']}>
      STAT
      {since ? (
        <span>
          <Age since={since} />
        </span>
      ) : null}
    </span>
  )
}

/** A request's priority: STAT as flag, urgent outlined, routine as a quiet word (PS3.3 0040,1003: STAT HIGH ROUTINE MEDIUM LOW). */
export function Priority({ priority, since }: { priority: string | null | undefined; since?: Moment }) {
  const key = (priority ?? '').toLowerCase()
  if (key === 'stat' || key === 's') return <StatFlag since={since} />
  if (key === 'urgent' || key === 'high' || key === 'asap' || key === 'a') {
    return (
      <span className={classes['high']}>
        <Glyph shape="alert" size={12} />
        Urgent
      </span>
    )
  }
  if (!key) return null
  return <span className={classes['routine']}>{key === 'low' ? 'Low' : key === 'medium' ? 'Medium' : 'Routine'}</span>
}

/** A service-level clock: a thin ring that fills until the time allowed has passed, with the time left or over in words. */
export function ServiceClock({ since, allowed_s }: { since: Moment; allowed_s: number }) {
  const now = useNow(1000)
  const date = asDate(since)
  if (!date) return null
  const passed_s = (now - date.getTime()) / 1000
  const part = Math.min(1, Math.max(0, passed_s / allowed_s))
  const left_ms = (allowed_s - passed_s) * 1000
  const round = 2 * Math.PI * 5.5
  return (
    <span className={[classes['clock'], left_ms < 0 ? classes['over'] : ''].join(' ')}>
      <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden style={{ transform: 'rotate(-90deg)' }}>
        <circle cx="7" cy="7" r="5.5" fill="none" stroke="var(--line-strong)" strokeWidth="1.5" />
        <circle
          cx="7"
          cy="7"
          r="5.5"
          fill="none"
          stroke={left_ms < 0 ? 'var(--urgent)' : 'var(--accent)'}
          strokeWidth="2.5"
          strokeDasharray={`${round * part} ${round}`}
        />
      </svg>
      {left_ms < 0 ? `${formatSpan(-left_ms)} over` : `${formatSpan(left_ms)} left`}
    </span>
  )
}

/** A DICOM person name with all its groups. The markup isolates the direction of right-to-left names. */
export function PersonName({ value, first = 'all' }: { value: string | null | undefined; first?: 'all' | 'alphabetic' }) {
  const parts = parsePersonName(value)
  const main = parts.alphabetic ?? parts.ideographic ?? parts.phonetic
  if (!main) return <span className={classes['name']}>Name not given</span>
  const kind = parts.alphabetic ? 'alphabetic' : parts.ideographic ? 'ideographic' : 'phonetic'
  return (
    <span className={classes['name']}>
      <bdi>{formatGroup(main, kind)}</bdi>
      {first === 'all' && kind === 'alphabetic' && parts.ideographic ? (
        <bdi className={classes['other']}>{formatGroup(parts.ideographic, 'ideographic')}</bdi>
      ) : null}
      {first === 'all' && kind !== 'phonetic' && parts.phonetic ? (
        <bdi className={classes['other']}>{formatGroup(parts.phonetic, 'phonetic')}</bdi>
      ) : null}
    </span>
  )
}

/** A calendar date from DICOM or ISO, never shifted by a time zone. */
export function DicomDate({ value }: { value: string | null | undefined }) {
  const text = formatDicomDate(value)
  return text ? <time dateTime={text}>{text}</time> : null
}

/** A moment in the reader's zone, or by the clock of a site; only the time of day where it is today. */
export function DateTime({ value, zone }: { value: Moment; zone?: string | undefined }) {
  const date = asDate(value)
  return date ? <time dateTime={date.toISOString()}>{formatMoment(date, new Date(), zone)}</time> : null
}

const SIDES: Record<string, string> = { L: 'LEFT', R: 'RIGHT', B: 'BOTH SIDES', LEFT: 'LEFT', RIGHT: 'RIGHT', BILATERAL: 'BOTH SIDES' }

/** Laterality is always spelt. Unpaired parts (U) and unknown values show nothing. */
export function Laterality({ value }: { value: string | null | undefined }) {
  const word = SIDES[(value ?? '').toUpperCase()]
  return word ? <strong className={classes['side']}>{word}</strong> : null
}

/** What is to be done, with its side spelt once: the description often ends with it already. */
export function ProcedureName({ description, laterality }: { description: string; laterality: string | null | undefined }) {
  const word = SIDES[(laterality ?? '').toUpperCase()]
  const plain = word ? description.replace(/,? (LEFT|RIGHT|BILATERAL|BOTH SIDES)$/, '') : description
  return (
    <>
      {plain} <Laterality value={laterality} />
    </>
  )
}
