import { ActionIcon, Loader, Select, Tooltip } from '@mantine/core'
import { IconArrowAutofitWidth, IconCaretUpDown, IconListDetails, IconMinus, IconPlayerPause, IconPlayerPlay, IconPlus, IconPrinter, IconRulerMeasure } from '@tabler/icons-react'
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent, type ReactNode } from 'react'
import { showKeys, useKeys } from '@/lib/keys'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import { toast } from '@/ui'
import { text } from '../../dicom'
import { patientIn } from '../../view'
import viewer from '../../viewer.module.css'
import { isSound } from '../kinds'
import type { PaperViewProps } from '../paper'
import papers from '../papers.module.css'
import { tellMoved, type Places } from '../places'
import { PrintedPages } from '../pdf/printing'
import { notesOf, type Note } from './annotations'
import { Calipers } from './Calipers'
import { drawSheet, type Inks } from './draw'
import { NoteList } from './NoteList'
import { Overview } from './Overview'
import { drawForPaper } from './printed'
import { groupsOf, type Group, type Trace } from './samples'
import { clock, GAINS, LAYOUTS, layoutsFor, pageSeconds, sampledWords, scaleWords, sheetOf, SPEEDS, STANDARD, stripAt, timeAt, valueAt, xOf, yOf, type LayoutName, type Span } from './sheet'
import { useRecording } from './useRecording'
import { useSound } from './useSound'
import classes from './waveform.module.css'

/** Pixels of the screen a millimetre of paper. */
const SCALE_LEAST = 1.2
const SCALE_MOST = 16
const FIT_LEAST = 2.2
const FIT_MOST = 7
/** What a whole standard ECG takes: ten seconds at 25 mm/s, and the pulse before it. */
const STANDARD_MM = 262
const ROOMY_PX = 860

/** A recording of waves: on millimetre paper, as its leads are used to stand. */
export default function WaveformView({ paper, onHands }: PaperViewProps) {
  const groups = useMemo(() => groupsOf(paper.instance), [paper.instance])
  const [chosen, setChosen] = useState<number | null>(null)
  const group = groups.find((one) => one.number === chosen) ?? groups.find((one) => !one.derived) ?? groups[0]
  const [attempt, setAttempt] = useState(0)
  const recording = useRecording(group, attempt)
  const sounds = isSound(paper.instance)
  const traces = recording.state === 'here' && recording.of === group ? recording.traces : null
  if (!group)
    return (
      <p className={papers['note']} role="alert">
        This recording says no frequency, or stores its samples in a way that is not known: it cannot be drawn. It is safe in the archive.
      </p>
    )
  if (recording.state === 'failed')
    return (
      <div className={papers['note']} role="alert">
        <p>{recording.words}</p>
        <button type="button" onClick={() => setAttempt(attempt + 1)}>
          Try again
        </button>
      </div>
    )
  if (!traces) return <Loader className={viewer['busy']} size="sm" aria-label="Fetching the samples" />
  const choose = groups.length > 1 && (
    <Select
      size="xs"
      rightSectionWidth={22}
      className={classes['wide']}
      aria-label="Recording"
      data={groups.map((one) => ({ value: String(one.number), label: `${one.label}${one.derived ? ' (worked out)' : ''}` }))}
      value={String(group.number)}
      onChange={(next) => setChosen(Number(next))}
      allowDeselect={false}
    />
  )
  return <Waves key={group.number} paper={paper} groups={groups} group={group} traces={traces} isSound={sounds} onHands={onHands} choose={choose} onGroup={setChosen} />
}

interface WavesProps extends Pick<PaperViewProps, 'paper' | 'onHands'> {
  groups: readonly Group[]
  group: Group
  traces: readonly Trace[]
  isSound: boolean
  choose: ReactNode
  onGroup: (number: number) => void
}

interface Measured {
  trace: Trace
  span: Span
}

function Waves({ paper, groups, group, traces, isSound: sounds, onHands, choose, onGroup }: WavesProps) {
  const box = useRef<HTMLDivElement>(null)
  const canvas = useRef<HTMLCanvasElement>(null)
  const [room, setRoom] = useState({ width: 0, height: 0 })
  const layouts = useMemo(() => layoutsFor(traces), [traces])
  const [layout, setLayout] = useState<LayoutName>(layouts[0] ?? 'All channels')
  const [speed, setSpeed] = useState<number>(() => speedFor(traces))
  const [gain, setGain] = useState<number>(STANDARD.gain)
  /** Null: as much as fits. */
  const [zoomed, setZoomed] = useState<number | null>(null)
  const [wanted, setWanted] = useState(-Infinity)
  const [measuring, setMeasuring] = useState(false)
  const [measured, setMeasured] = useState<Measured | null>(null)
  const [held, setHeld] = useState<'from' | 'to'>('to')
  const [listed, setListed] = useState<boolean | null>(null)
  const [marked, setMarked] = useState(true)
  const [noted, setNoted] = useState<string | null>(null)
  const [pages, setPages] = useState<{ url: string; width: number; height: number }[] | null>(null)
  const sound = useSound(sounds ? traces : null)

  const begins = Math.min(...traces.map((trace) => trace.begins_s))
  const ends = Math.max(...traces.map((trace) => trace.ends_s))
  const notes = useMemo(() => notesOf(paper.instance, groups, ends), [paper.instance, groups, ends])
  const here = useMemo(() => notes.filter((note) => note.kind === 'mark' && (!note.channels.length || note.channels.some(([number]) => number === group.number))), [notes, group.number])

  useLayoutEffect(() => {
    const element = box.current
    if (!element) return
    const measure = () => setRoom({ width: element.clientWidth, height: element.clientHeight })
    measure()
    const watch = new ResizeObserver(measure)
    watch.observe(element)
    return () => watch.disconnect()
  }, [])

  const height = useMemo(() => sheetOf({ traces, layout, speed, gain, width: STANDARD_MM, from_s: 0 }).height, [traces, layout, speed, gain])
  const fitting = Math.max(FIT_LEAST, Math.min(FIT_MOST, room.width / STANDARD_MM, (room.height - 2) / height))
  const scale = zoomed ?? fitting
  const width = room.width / scale
  const seconds = pageSeconds(width, speed)
  const latest = Math.max(begins, ends - seconds)
  const from_s = Math.max(begins, Math.min(latest, wanted))
  const sheet = useMemo(() => (width > 0 && Number.isFinite(from_s) ? sheetOf({ traces, layout, speed, gain, width, from_s, room: room.height / scale }) : null), [traces, layout, speed, gain, width, from_s, room.height, scale])

  useLayoutEffect(() => {
    const [element, context] = [canvas.current, canvas.current?.getContext('2d')]
    if (!element || !context || !sheet) return
    const ratio = window.devicePixelRatio || 1
    element.width = Math.max(1, Math.round(sheet.width * scale * ratio))
    element.height = Math.max(1, Math.round(Math.max(sheet.height * scale, room.height) * ratio))
    const style = getComputedStyle(element)
    const letters = 13 / scale
    const whole = { ...sheet, height: Math.max(sheet.height, room.height / scale) }
    drawSheet({ context, scale: scale * ratio, inks: inksOf(style, 'film'), family: style.fontFamily, letters }, whole, marked ? here : here.filter((note) => note.key === noted), noted)
  }, [sheet, scale, room.height, here, marked, noted])

  const go = useCallback((time_s: number) => setWanted(time_s), [])
  const zoom = useCallback((factor: number) => setZoomed((before) => Math.max(SCALE_LEAST, Math.min(SCALE_MOST, (before ?? fitting) * factor))), [fitting])
  const scroll = (by_s: number) => go(Math.max(begins, Math.min(latest, from_s + by_s)))
  const now = useRef({ scroll, seconds, begins, latest, go, sound })
  useEffect(() => {
    now.current = { scroll, seconds, begins, latest, go, sound }
  })
  const seen = useRef({ sheet, scale, from_s, speed, gain, layout })
  useLayoutEffect(() => {
    seen.current = { sheet, scale, from_s, speed, gain, layout }
    tellMoved(box.current)
  }, [sheet, scale, from_s, speed, gain, layout])
  const places = useMemo<Places>(
    () => ({
      where: () => [group.number, seen.current.from_s, seen.current.speed, seen.current.gain, LAYOUTS.indexOf(seen.current.layout)],
      goTo: ([number = 0, at_s = 0, fast = 0, high = 0, laid = -1]) => {
        if (number !== group.number && groups.some((one) => one.number === number)) return onGroup(number)
        const [pace, rise, kind] = [SPEEDS.find((one) => one === fast), GAINS.find((one) => one === high), LAYOUTS[laid]]
        if (pace) setSpeed(pace)
        if (rise) setGain(rise)
        if (kind && layouts.includes(kind)) setLayout(kind)
        setWanted(at_s)
      },
      // Which curve, when, and how high: a sheet of another width has other millimetres.
      point: (x, y) => {
        const { sheet: on, scale: by } = seen.current
        const corner = canvas.current?.getBoundingClientRect()
        if (!on || !corner || x < corner.left || x > corner.right || y < corner.top || y > corner.bottom) return null
        const [left, top] = [(x - corner.left) / by, (y - corner.top) / by]
        const strip = stripAt(on, left, top)
        return strip ? [timeAt(on, strip, left), valueAt(strip, top), on.strips.indexOf(strip)] : null
      },
      seenAt: ([time_s, value, at]) => {
        const { sheet: on, scale: by } = seen.current
        const corner = canvas.current?.getBoundingClientRect()
        const strip = on?.strips[at]
        if (!on || !corner || !strip) return null
        const x = xOf(on, strip, time_s)
        return x < strip.left - 0.5 || x > strip.left + strip.width + 0.5 ? null : [corner.left + x * by, corner.top + yOf(strip, value) * by]
      },
    }),
    [group, groups, layouts, onGroup],
  )
  useEffect(() => {
    onHands({
      places,
      step: (by) => now.current.scroll((Math.abs(by) >= 5 ? Math.sign(by) : 0.2 * by) * now.current.seconds),
      end: (last) => now.current.go(last ? now.current.latest : now.current.begins),
      zoom,
      fit: () => setZoomed(null),
      play: () => now.current.sound?.toggle(),
    })
    return () => onHands(null)
  }, [onHands, zoom, places])

  // What is heard is seen.
  const heard = sound?.playing ? sound.at_s : null
  useEffect(() => {
    if (heard !== null && (heard < now.current.begins || heard > from_s + seconds || heard < from_s)) go(heard)
  }, [heard, from_s, seconds, go])

  const choice = <T,>(all: readonly T[], before: T, by: number) => all[Math.max(0, Math.min(all.length - 1, all.indexOf(before) + by))] ?? before
  const nextLayout = () => setLayout(layouts[(layouts.indexOf(layout) + 1) % layouts.length] ?? layout)
  const measure = () => {
    setMeasuring(!measuring)
    setMeasured(null)
    if (!measuring) box.current?.focus({ preventScroll: true })
  }
  useKeys('Waveform', [
    { keys: ';', label: 'Calipers on or off', run: measure },
    { keys: "'", label: 'Next layout of the leads', run: nextLayout, disabled: layouts.length < 2 },
    { keys: '{', label: 'Slower paper', run: () => setSpeed(choice(SPEEDS, speed as (typeof SPEEDS)[number], -1)) },
    { keys: '}', label: 'Faster paper', run: () => setSpeed(choice(SPEEDS, speed as (typeof SPEEDS)[number], 1)) },
    { keys: '(', label: 'Lower curves', run: () => setGain(choice(GAINS, gain as (typeof GAINS)[number], -1)) },
    { keys: ')', label: 'Higher curves', run: () => setGain(choice(GAINS, gain as (typeof GAINS)[number], 1)) },
    { keys: ':', label: 'Show or hide the marks of the device', run: () => setMarked(!marked), disabled: !here.length },
  ])

  const placeOf = (event: PointerEvent): [number, number] => {
    const { left, top } = event.currentTarget.getBoundingClientRect()
    return [(event.clientX - left) / scale, (event.clientY - top) / scale]
  }
  const drag = useRef<{ x: number; from_s: number; strip: ReturnType<typeof stripAt> } | null>(null)
  const fingers = useRef(new Map<number, readonly [number, number]>())
  const pinch = useRef<{ apart: number; scale: number } | null>(null)
  const apart = () => {
    const [one, other] = [...fingers.current.values()]
    return one && other ? Math.hypot(one[0] - other[0], one[1] - other[1]) : 0
  }
  const lifted = (event: PointerEvent) => {
    fingers.current.delete(event.pointerId)
    pinch.current = null
    drag.current = null
  }
  const pressed = (event: PointerEvent) => {
    if (!sheet || event.button > 0) return
    event.currentTarget.setPointerCapture(event.pointerId)
    fingers.current.set(event.pointerId, [event.clientX, event.clientY])
    if (fingers.current.size === 2) {
      pinch.current = { apart: apart(), scale }
      drag.current = null
      setMeasured(null)
    }
    if (!event.isPrimary) return
    const [x, y] = placeOf(event)
    const strip = measuring ? stripAt(sheet, x, y) : null
    drag.current = { x, from_s, strip }
    if (!strip) return
    const at = { time_s: timeAt(sheet, strip, x), value: valueAt(strip, y) }
    setHeld('to')
    setMeasured({ trace: strip.trace, span: { from: at, to: at } })
  }
  const moved = (event: PointerEvent) => {
    if (fingers.current.has(event.pointerId)) fingers.current.set(event.pointerId, [event.clientX, event.clientY])
    const pinched = pinch.current
    if (pinched && pinched.apart > 0) return setZoomed(Math.max(SCALE_LEAST, Math.min(SCALE_MOST, (pinched.scale * apart()) / pinched.apart)))
    const started = drag.current
    if (!started || !sheet || !event.isPrimary) return
    const [x, y] = placeOf(event)
    if (!started.strip) return go(Math.max(begins, Math.min(latest, started.from_s - (x - started.x) / speed)))
    const { strip } = started
    const to = { time_s: timeAt(sheet, strip, x), value: valueAt(strip, y) }
    setMeasured((before) => before && { ...before, span: { ...before.span, to } })
  }
  const shown = measured && sheet ? sheet.strips.find((strip) => strip.trace === measured.trace && xOf(sheet, strip, measured.span.from.time_s) >= strip.left - 0.01 && xOf(sheet, strip, measured.span.from.time_s) <= strip.left + strip.width) : undefined

  /** Moves the end that is held, by a pixel of the screen or a tenth as many lines; the first key sets both. */
  const byKey = (event: KeyboardEvent) => {
    if (!measuring || !sheet || event.ctrlKey || event.metaKey || event.altKey) return
    const step = (event.shiftKey ? 10 : 1) / scale
    const way: Partial<Record<string, readonly [number, number]>> = { ArrowLeft: [-step / speed, 0], ArrowRight: [step / speed, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }
    const by = way[event.key]
    if (!by && event.key !== 'Enter' && event.key !== 'Escape') return
    event.preventDefault()
    event.stopPropagation()
    if (event.key === 'Escape') return measured ? setMeasured(null) : setMeasuring(false)
    const strip = shown ?? sheet.strips[0]
    if (!measured || !shown) {
      if (!strip) return
      const middle = { time_s: strip.from_s + strip.width / speed / 2, value: strip.zero }
      setMeasured({ trace: strip.trace, span: { from: middle, to: { ...middle, time_s: middle.time_s + 0.2 } } })
    } else if (by) setMeasured({ ...measured, span: { ...measured.span, [held]: { time_s: measured.span[held].time_s + by[0], value: measured.span[held].value + by[1] / shown.scale } } })
    else setHeld(held === 'from' ? 'to' : 'from')
  }
  const wheel = (event: React.WheelEvent) => {
    const element = box.current
    if (!element || event.ctrlKey) return
    const across = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX
    const down = event.shiftKey ? 0 : event.deltaY
    if (across) scroll(across / scale / speed)
    else if (down && element.scrollHeight <= element.clientHeight + 1) scroll(down / scale / speed)
  }

  const print = () => {
    const style = getComputedStyle(document.documentElement)
    const patient = patientIn(paper.instance)
    const birth = formatDicomDate(text(paper.instance, '00100030'))
    const head = [
      [patient.name ? formatPersonName(patient.name) : '', patient.id, birth ? `born ${birth}` : '', text(paper.instance, '00100040')].filter(Boolean).join(' · '),
      [paper.title, formatDicomDate(paper.date), timeWords(paper.time), group.label].filter(Boolean).join(' · '),
      notes.filter((note) => note.kind === 'statement').map((note) => note.words).join(' · '),
      notes.filter((note) => note.kind === 'measurement').map((note) => `${note.words} ${note.value}`).join(' · '),
    ].filter(Boolean)
    drawForPaper({ traces, layout, speed, gain, from_s, notes: marked ? here : [], head, inks: inksOf(style, 'print'), family: getComputedStyle(document.body).fontFamily }).then(setPages, () => toast('Not printed: the page could not be drawn.'))
  }

  const hasNotes = notes.some((note) => note.kind !== 'mark') || here.length > 0
  const isListed = hasNotes && (listed ?? window.innerWidth >= ROOMY_PX)
  const leads = traces.map((trace) => trace.channel.name).join(', ')
  const [first] = sheet?.strips ?? []
  const words = sheet ? `${paper.title}: ${traces.length} channel${traces.length === 1 ? '' : 's'} (${leads}), ${clock(sheet.from_s)} to ${clock(Math.min(sheet.to_s, ends))} of ${clock(ends)}, ${speed} mm/s, ${scaleWords(sheet, first)}, ${sampledWords(sheet).join(', ')}` : paper.title
  const isLong = ends - begins > seconds * 1.02
  const rhythm = traces.find((trace) => trace.channel.name === 'II') ?? traces[0]
  const play = sheet && sound && first ? xOf(sheet, first, sound.at_s) : null
  return (
    <div className={classes['view']} data-testid="waveform">
      <div className={classes['bar']} role="toolbar" aria-label="Waveform">
        {sound ? <Act label={sound.playing ? 'Stop' : 'Play'} keys="Space" icon={sound.playing ? <IconPlayerPause size={18} /> : <IconPlayerPlay size={18} />} pressed={sound.playing} onClick={sound.toggle} /> : null}
        {choose}
        {layouts.length > 1 ? (
          <Select size="xs" rightSectionWidth={22} className={classes['wide']} aria-label="Layout" data={[...layouts]} value={layout} onChange={(next) => next && setLayout(next as LayoutName)} allowDeselect={false} />
        ) : null}
        <Select size="xs" rightSectionWidth={22} className={classes['narrow']} aria-label="Paper speed" data={SPEEDS.map((one) => ({ value: String(one), label: `${one} mm/s` }))} value={String(speed)} onChange={(next) => setSpeed(Number(next))} allowDeselect={false} />
        <Select
          size="xs"
          rightSectionWidth={22}
          className={classes['narrow']}
          aria-label="Gain"
          data={GAINS.map((one) => ({ value: String(one), label: sheet?.ecg === false ? `× ${one / STANDARD.gain}` : `${one} mm/mV` }))}
          value={String(gain)}
          onChange={(next) => setGain(Number(next))}
          allowDeselect={false}
        />
        <Act label="Smaller" icon={<IconMinus size={18} />} onClick={() => zoom(1 / 1.25)} />
        <Act label="Larger" icon={<IconPlus size={18} />} onClick={() => zoom(1.25)} />
        <Act label="As much as fits" icon={<IconArrowAutofitWidth size={18} />} pressed={zoomed === null} onClick={() => setZoomed(null)} />
        <Act label="Calipers" keys=";" icon={<IconRulerMeasure size={18} />} pressed={measuring} onClick={measure} />
        {here.length ? <Act label="Marks of the device" keys=":" icon={<IconCaretUpDown size={18} />} pressed={marked} onClick={() => setMarked(!marked)} /> : null}
        {hasNotes ? <Act label="What the device wrote" icon={<IconListDetails size={18} />} pressed={isListed} onClick={() => setListed(!isListed)} /> : null}
        <span className={classes['space']} />
        <Act label="Print" icon={<IconPrinter size={18} />} onClick={print} />
      </div>
      <div className={classes['floor']}>
        {/* Its keys move the calipers, and what can be scrolled can be reached by them. */}
        {/* eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions, jsx-a11y/no-noninteractive-tabindex */}
        <div ref={box} className={classes['paper']} tabIndex={0} role="group" aria-label="Paper" onKeyDown={byKey} onWheel={wheel}>
          <div className={classes['sheet']} data-measuring={measuring || undefined} style={sheet ? { height: Math.max(sheet.height * scale, room.height) } : undefined}>
            <div role="img" aria-label={words} className={classes['drawn']}>
              <canvas
                ref={canvas}
                style={{ width: '100%', height: '100%' }}
                data-testid="waveform-canvas"
                data-scale={scale}
                data-strips={sheet ? JSON.stringify(sheet.strips.map((strip) => ({ lead: strip.trace.channel.name, left: strip.left, width: strip.width, middle: strip.middle, from: strip.from_s, zero: strip.zero, scale: strip.scale }))) : undefined}
                onPointerDown={pressed}
                onPointerMove={moved}
                onPointerUp={lifted}
                onPointerCancel={lifted}
              />
            </div>
            {measured && shown && sheet ? <Calipers sheet={sheet} strip={shown} span={measured.span} held={held} scale={scale} /> : null}
            {play !== null && sound && (sound.playing || sound.at_s > 0) ? <i className={classes['played']} data-testid="played" style={{ left: play * scale }} /> : null}
          </div>
        </div>
        {isListed ? (
          <NoteList
            notes={notes}
            chosen={noted}
            onChoose={(note: Note) => {
              setNoted(note.key === noted ? null : note.key)
              const [span] = note.spans
              if (span && sheet && (span[0] < sheet.from_s || span[0] > sheet.to_s)) go(span[0] - seconds / 3)
            }}
          />
        ) : null}
      </div>
      {isLong && rhythm ? <Overview trace={rhythm} begins={begins} ends={ends} from_s={from_s} seconds={seconds} width={room.width} onGo={sound ? (time) => { sound.seek(time); go(time) } : go} /> : null}
      {pages ? <PrintedPages pages={pages} onDone={() => setPages(null)} /> : null}
    </div>
  )
}

/** A sound, or what is sampled thousands of times a second, passes too fast on the paper of a heart. */
function speedFor(traces: readonly Trace[]): number {
  const [first] = traces
  if (!first) return STANDARD.speed
  const seconds = first.count / first.group.frequency
  return first.group.frequency < 20 && seconds > 60 ? 1 : STANDARD.speed
}

function timeWords(time: string | null): string {
  const match = /^(\d{2})(\d{2})/.exec(time ?? '')
  return match ? `${match[1]}:${match[2]}` : ''
}

/** The tokens are the one place that names colours. */
function inksOf(style: CSSStyleDeclaration, of: 'film' | 'print'): Inks {
  const ink = (name: string) => style.getPropertyValue(name).trim() || style.color
  return of === 'film'
    ? { ground: ink('--film-ground'), fine: ink('--wave-grid'), thick: ink('--wave-grid-5'), curve: ink('--wave-curve'), words: ink('--film-ink-2'), mark: ink('--film-ink-2'), chosen: ink('--film-accent') }
    : { ground: ink('--wave-print-ground'), fine: ink('--wave-print-grid'), thick: ink('--wave-print-grid-5'), curve: ink('--wave-print-curve'), words: ink('--wave-print-curve'), mark: ink('--wave-print-curve'), chosen: ink('--wave-print-curve') }
}

function Act({ label, keys, icon, pressed, onClick }: { label: string; keys?: string; icon: ReactNode; pressed?: boolean; onClick: () => void }) {
  return (
    <Tooltip label={keys ? `${label} (${showKeys(keys)})` : label} openDelay={400}>
      <ActionIcon variant={pressed ? 'light' : 'subtle'} aria-label={label} aria-pressed={pressed} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  )
}
