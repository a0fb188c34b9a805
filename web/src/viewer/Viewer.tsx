import { useEffect, useRef, useState } from 'react'
import { useMediaQuery } from '@mantine/hooks'
import { load, save } from '@/lib/storage'
import { Engine, type ToolName } from './engine'
import { anchorAt, anchorInTheMiddle, linkedIndex, type Anchor } from './geometry'
import { firstStack, hang } from './hanging'
import { useKeyImages } from './keyImages'
import { Pane } from './Pane'
import { presetsFor, rangeOf, windowOf, type WindowPreset } from './presets'
import { mostAlike, type Stack } from './stacks'
import { priorLabel, type ViewerStudy } from './study'
import { Thumbnails } from './Thumbnails'
import { Toolbar, type Layout, type ToolbarProps } from './Toolbar'
import { patientOf } from './view'
import { useStudy, type LoadedStudy } from './useStudy'
import classes from './viewer.module.css'

export interface ViewerProps {
  study: ViewerStudy
  /** Earlier studies of the patient, the most telling first. */
  priors: readonly ViewerStudy[]
  /** Whether this person may mark key images. */
  canMark: boolean
  /** A key image was marked or unmarked. */
  onKeyImage?: () => void
}

interface Hung {
  study: ViewerStudy
  stackKey: string
}

const PANES = ['a', 'b', 'c', 'd'] as const
type PaneId = (typeof PANES)[number]
/** Narrower than this, a prior is beside the study only when asked for. */
const ROOM_FOR_TWO_PX = 760

/** The images of a study, and a prior beside them. It fills its parent, which is positioned and has a height. */
export function Viewer(props: ViewerProps) {
  // Another study is another viewer: nothing of the one before stays on the screen.
  return <StudyViewer key={props.study.study_pk} {...props} />
}

function StudyViewer({ study, priors, canMark, onKeyImage }: ViewerProps) {
  const [engine, setEngine] = useState<Engine | null>(null)
  const [fault, setFault] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const touch = useMediaQuery('(pointer: coarse)', false, { getInitialValueInEffect: false })
  const [tool, setTool] = useState<ToolName>(touch ? 'scroll' : 'window')
  const [layout, setLayout] = useState<Layout>(1)
  const [hung, setHung] = useState<readonly (Hung | null)[]>([])
  const [active, setActive] = useState<PaneId>('a')
  const [linked, setLinked] = useState(true)
  const [playing, setPlaying] = useState(false)
  const [thumbnails, setThumbnails] = useState(() => load('viewer-series', true))
  const [counts, setCounts] = useState<ReadonlyMap<string, number>>(new Map())
  const [indexes, setIndexes] = useState<Partial<Record<PaneId, number>>>({})
  const [prior, setPrior] = useState<ViewerStudy | null>(priors[0] ?? null)
  const anchors = useRef(new Map<PaneId, Anchor>())
  const driving = useRef<PaneId>('a')
  const opened = useRef(false)

  const loaded = useStudy(study.study_instance_uid)
  // A prior waits until the study that is read can be seen.
  const seen = loaded.stacks.length > 0
  const loadedPrior = useStudy(seen && prior ? prior.study_instance_uid : null)
  const keys = useKeyImages(study.study_pk, canMark, onKeyImage)

  useEffect(() => {
    let made: Engine | null = null
    try {
      made = new Engine()
      setEngine(made)
    } catch {
      setFault(true)
    }
    return () => {
      setEngine(null)
      made?.end()
    }
  }, [])

  useEffect(() => {
    engine?.use(tool)
  }, [engine, tool])

  const stackOf = (one: Hung | null | undefined): Stack | null => {
    if (!one) return null
    const from = one.study.study_pk === study.study_pk ? loaded : loadedPrior
    return from.stacks.find((stack) => stack.key === one.stackKey) ?? null
  }
  const paneStack = (id: PaneId) => stackOf(hung[PANES.indexOf(id)])
  const visible = PANES.slice(0, layout)
  const activePane = visible.includes(active) ? active : 'a'
  const activeStack = paneStack(activePane)
  const activeIndex = indexes[activePane] ?? 0
  const activeFrame = activeStack?.frames[activeIndex]

  const hangIn = (id: PaneId, next: Hung | null) => {
    anchors.current.delete(id)
    setHung((before) => PANES.map((pane, at) => (pane === id ? next : (before[at] ?? null))))
  }

  // The first hanging, once, when the first series can be shown. The prior joins when it has come.
  const wantsPrior = useRef(false)
  const first = loaded.loading ? null : firstStack(loaded.stacks)
  const early = firstStack(beginning(loaded))
  useEffect(() => {
    if (opened.current || !(first ?? early)) return
    const readyToRead = first ?? (early && early.length > 1 ? early : null)
    if (!readyToRead) return
    opened.current = true
    const hanging = hang(first ? loaded.stacks : [readyToRead], null)
    setLayout(hanging.layout)
    setHung(PANES.map((_, at) => (hanging.stacks[at] ? { study, stackKey: hanging.stacks[at].key } : null)))
    wantsPrior.current = hanging.layout === 1 && (root.current?.clientWidth ?? 0) >= ROOM_FOR_TWO_PX
  }, [first, early, loaded.stacks, study])

  const likeness = activeStack && loadedPrior.stacks.length ? mostAlike(activeStack, loadedPrior.stacks) : null
  useEffect(() => {
    if (!wantsPrior.current || !prior || !likeness || loadedPrior.loading) return
    wantsPrior.current = false
    if (likeness.modality !== activeStack?.modality) return
    setLayout(2)
    setHung((before) => [before[0] ?? null, { study: prior, stackKey: likeness.key }, null, null])
  }, [prior, likeness, loadedPrior.loading, activeStack?.modality])

  // Pictures are fetched ahead: what is on the screen first, then the rest of the study, then of the prior.
  const ahead = [
    ...visible.map((id) => ({ id, stack: paneStack(id) })),
    ...loaded.stacks.map((stack) => ({ id: null, stack })),
  ].filter((one): one is { id: PaneId | null; stack: Stack } => one.stack !== null)
  const aheadKey = ahead.map((one) => `${one.stack.key}:${one.stack.length}`).join('|')
  useEffect(() => {
    if (!engine) return
    const once = new Map(ahead.map((one) => [one.stack.key, one] as const).reverse())
    const list = ahead.filter((one) => once.get(one.stack.key) === one)
    engine.prefetch(
      list.map(({ id, stack }) => ({ stack, from: (id && indexes[id]) || Math.floor((stack.length - 1) / 2) })),
      (stack, count) => setCounts((before) => new Map(before).set(stack.key, count)),
    )
    // Only another set of stacks begins another fetching; where the reader stands now is where it begins.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [engine, aheadKey])

  const activate = (id: PaneId) => {
    driving.current = id
    setActive(id)
  }

  const onImage = (id: PaneId, index: number) => {
    setIndexes((before) => (before[id] === index ? before : { ...before, [id]: index }))
    if (!engine || !linked || layout === 1 || id !== driving.current) return
    const stack = paneStack(id)
    if (!stack) return
    for (const other of visible) {
      const follower = other === id ? null : paneStack(other)
      if (!follower) continue
      const target = linkedIndex(
        stack,
        index,
        follower,
        anchors.current.get(id) ?? anchorInTheMiddle(stack),
        anchors.current.get(other) ?? anchorInTheMiddle(follower),
      )
      const viewport = engine.viewport(other)
      if (target !== null && viewport && viewport.getImageIds().length && viewport.getTargetImageIdIndex() !== target)
        void viewport.setImageIdIndex(target)
    }
  }

  const viewport = () => engine?.viewport(activePane)
  const goTo = (index: number) => {
    if (!activeStack) return
    driving.current = activePane
    void viewport()?.setImageIdIndex(Math.max(0, Math.min(activeStack.length - 1, index)))
  }

  useEffect(() => {
    if (!playing || !activeStack || !engine) return
    const rate = activeStack.cineRate ?? 10
    const timer = setInterval(() => {
      const shown = engine.viewport(activePane)
      if (shown) void shown.setImageIdIndex((shown.getCurrentImageIdIndex() + 1) % activeStack.length)
    }, 1000 / rate)
    return () => clearInterval(timer)
  }, [playing, activeStack, activePane, engine])

  /** The panes a window goes to: the one with the keys, and those linked to it that show the same kind of units. */
  const windowed = () =>
    visible.filter((id) => id === activePane || (linked && activeStack?.modality === 'CT' && paneStack(id)?.modality === 'CT'))
  const setWindow = (window: { center: number; width: number }) => {
    for (const id of windowed()) {
      const shown = engine?.viewport(id)
      if (!shown?.getImageIds().length) continue
      shown.setProperties({ voiRange: rangeOf(window) })
      shown.render()
    }
  }

  const on: ToolbarProps['on'] = {
    tool: setTool,
    layout: (next) => {
      setLayout(next)
      setHung((before) => {
        const free = [...loaded.stacks.filter((stack) => !before.some((one) => one?.stackKey === stack.key))]
        return PANES.map((_, at) => {
          if (before[at] || at >= next) return before[at] ?? null
          const stack = free.shift()
          return stack ? { study, stackKey: stack.key } : null
        })
      })
    },
    compare: () => {
      const beside = hung[1]
      if (layout === 2 && beside && beside.study.study_pk !== study.study_pk) {
        setLayout(1)
        activate('a')
        return
      }
      const to = paneStack('a')
      const like = to && loadedPrior.stacks.length ? mostAlike(to, loadedPrior.stacks) : null
      setLayout(2)
      if (like && prior) hangIn('b', { study: prior, stackKey: like.key })
      else wantsPrior.current = true
    },
    link: () => {
      if (!linked) for (const id of visible) {
        const stack = paneStack(id)
        if (stack) anchors.current.set(id, anchorAt(stack, indexes[id] ?? 0))
      }
      setLinked(!linked)
    },
    play: () => setPlaying(!playing),
    mark: () => {
      if (activeFrame && hung[PANES.indexOf(activePane)]?.study.study_pk === study.study_pk) keys.toggle(activeFrame)
    },
    invert: () => {
      const shown = viewport()
      if (!shown?.getImageIds().length) return
      shown.setProperties({ invert: !shown.getProperties().invert })
      shown.render()
    },
    reset: () => {
      const shown = viewport()
      if (!shown?.getImageIds().length) return
      shown.resetProperties()
      shown.resetCamera()
      shown.render()
    },
    erase: () => engine?.clearMeasurements(),
    thumbnails: () => {
      save('viewer-series', !thumbnails)
      setThumbnails(!thumbnails)
    },
    preset: (preset: WindowPreset) => setWindow(preset),
    scanner: () => {
      for (const id of windowed()) {
        const shown = engine?.viewport(id)
        if (!shown?.getImageIds().length) continue
        shown.resetProperties()
        shown.render()
      }
    },
    // From where the viewport is going, not where it is: keys repeat faster than pictures are drawn.
    scroll: (images) => goTo((viewport()?.getTargetImageIdIndex() ?? activeIndex) + images),
    end: (last) => goTo(last && activeStack ? activeStack.length - 1 : 0),
    series: (step) => {
      const from: LoadedStudy = hung[PANES.indexOf(activePane)]?.study.study_pk === study.study_pk ? loaded : loadedPrior
      const of = from === loaded ? study : prior
      const at = from.stacks.findIndex((stack) => stack.key === activeStack?.key)
      const next = from.stacks[at + step]
      if (next && of) hangIn(activePane, { study: of, stackKey: next.key })
    },
    zoom: (factor) => {
      const shown = viewport()
      if (!shown?.getImageIds().length) return
      shown.setZoom(shown.getZoom() * factor)
      shown.render()
    },
    pan: (right, down) => {
      const shown = viewport()
      if (!shown?.getImageIds().length) return
      const [x, y] = shown.getPan()
      shown.setPan([x + right, y + down])
      shown.render()
    },
    nudge: (center, width) => {
      const range = viewport()?.getProperties().voiRange
      if (!range) return
      const now = windowOf(range)
      setWindow({ center: now.center + center * now.width, width: Math.max(1, now.width * (1 + width)) })
    },
    pane: (step) => {
      const at = visible.indexOf(activePane)
      activate(visible[(at + step + visible.length) % visible.length] ?? 'a')
    },
  }

  if (fault)
    return (
      <div className={classes['viewer']} ref={root}>
        <p className={classes['note']} role="alert">
          This browser cannot draw images (WebGL is missing). The study is safe; open it on another device.
        </p>
      </div>
    )

  const patientId = loaded.stacks[0] ? patientOf(loaded.stacks[0]).id : null
  const shownKeys = new Set(visible.map((id) => paneStack(id)?.key).filter((key): key is string => key !== undefined))
  return (
    <div className={classes['viewer']} ref={root} data-testid="viewer">
      {thumbnails ? (
        <Thumbnails
          study={study}
          priors={priors}
          loaded={loaded}
          prior={prior}
          loadedPrior={loadedPrior}
          shown={shownKeys}
          active={activeStack?.key ?? null}
          onStack={(of, stack) => hangIn(activePane, { study: of, stackKey: stack.key })}
          onPrior={setPrior}
        />
      ) : null}
      <div className={classes['stage']}>
        <Toolbar
          tool={tool}
          layout={layout}
          linked={linked}
          playing={playing}
          isKey={activeFrame ? keys.isKey(activeFrame.sopInstanceUid, activeFrame.frameNumber) : false}
          thumbnails={thumbnails}
          presets={presetsFor(activeStack?.modality ?? null, activeStack?.bodyPart ?? null)}
          can={{
            compare: priors.length > 0,
            mark: canMark,
            play: (activeStack?.length ?? 0) > 1,
            window: activeStack !== null,
          }}
          on={on}
        />
        <div className={classes['grid']} data-layout={layout}>
          {engine
            ? visible.map((id) => {
                const one = hung[PANES.indexOf(id)] ?? null
                const stack = stackOf(one)
                return (
                  <Pane
                    key={id}
                    engine={engine}
                    paneId={id}
                    study={one?.study ?? null}
                    prior={one && one.study.study_pk !== study.study_pk ? priorLabel(one.study, study) : null}
                    stack={stack}
                    patientId={patientId}
                    waiting={waitingWords(id, loaded, loadedPrior, prior)}
                    active={id === activePane && layout > 1}
                    isKey={keys.isKey}
                    loaded={stack ? (counts.get(stack.key) ?? 0) : 0}
                    onActivate={() => activate(id)}
                    onImage={(index) => onImage(id, index)}
                  />
                )
              })
            : null}
        </div>
      </div>
    </div>
  )
}

/** The stacks of the first series that have come, up to the first that has not: what comes early is not read first. */
function beginning(loaded: LoadedStudy): Stack[] {
  const missing = loaded.series.findIndex((series) => series.stacks === undefined)
  return loaded.series.slice(0, missing < 0 ? undefined : missing).flatMap((series) => series.stacks ?? [])
}

function waitingWords(id: PaneId, loaded: LoadedStudy, loadedPrior: LoadedStudy, prior: ViewerStudy | null): string {
  if (id === 'a') {
    if (loaded.error && !loaded.stacks.length) return 'The images could not be listed. They are safe in the archive; try again.'
    return loaded.loading ? 'Opening the study' : 'This study has no images yet. They appear here as they arrive.'
  }
  if (prior && loadedPrior.loading) return 'Opening the prior'
  return 'Choose a series'
}
