import { Enums as CoreEnums, eventTarget, getRenderingEngine, getRenderingEngines, utilities } from '@cornerstonejs/core'
import { annotation, Enums, ToolGroupManager, utilities as tools, type Types as ToolTypes } from '@cornerstonejs/tools'
import { drawnBy, toolNamed, TOOLS, type ToolName } from '../tools'
import { forgetPlanes, isOnPlane, pictureOf } from './onPlane'
import { wordsOf, type Measured } from './words'

type Annotation = ToolTypes.Annotation

/** One thing drawn on a picture. */
export interface Measurement {
  uid: string
  tool: ToolName
  /** The picture it was drawn on or, on a plane that no picture lies in, the nearest; null: none is known. */
  imageId: string | null
  /** Whether it lies on such a plane. */
  plane: boolean
  words: readonly string[]
  selected: boolean
  /** It is being drawn or moved, or its numbers are not worked out yet: what its words say is not the last. */
  drawing: boolean
  /** It has no numbers before its picture, or its plane, is shown here: another drew it, elsewhere. */
  unseen: boolean
  /** Who measured it, where it was kept by another before. */
  author: string | null
}

/** What was kept of a measurement, until its picture is shown and it is worked out anew. */
export interface KeptWords {
  comment: string | null
  author: string | null
  /** See `shapeOf`: moved, it is the work of who moved it. */
  shape: string
}
type WithKept = Measured & { kept?: KeptWords }

const HEARD = [
  Enums.Events.ANNOTATION_ADDED,
  Enums.Events.ANNOTATION_COMPLETED,
  Enums.Events.ANNOTATION_MODIFIED,
  Enums.Events.ANNOTATION_REMOVED,
  Enums.Events.ANNOTATION_SELECTION_CHANGE,
]
/**
 * The last picture of a drawing comes after all else that is told of it: of a hand that lets go nothing else is. It is told
 * to the element that it is drawn on, and goes no further up.
 */
const DRAWN = Enums.Events.ANNOTATION_RENDERED

/** Another picture of a stack is shown: told in the same way. */
const CHANGED = CoreEnums.Events.STACK_NEW_IMAGE

const { ViewportType } = CoreEnums
const history = utilities.HistoryMemo.DefaultHistoryMemo
const HISTORY = 50
const SETTLING_FRAMES = 30

export function targetOf(one: Annotation): string {
  const stats = (one.data as Measured).cachedStats ?? {}
  const picture = `imageId:${one.metadata?.referencedImageId ?? ''}`
  return picture in stats ? picture : (Object.keys(stats)[0] ?? picture)
}

/** Where it lies, to hundredths of a millimetre, and its own words. */
export function shapeOf(one: Annotation): string {
  const data = one.data as { label?: string; handles?: { points?: number[][] }; contour?: { polyline?: number[][] } }
  const points = [...(data.handles?.points ?? []), ...(data.contour?.polyline ?? [])]
  return [one.annotationUID, data.label ?? '', points.map((point) => Array.from(point, (value) => value.toFixed(2)).join()).join(';')].join('|')
}

export function measured(): { annotation: Annotation; tool: ToolName }[] {
  return annotation.state.getAllAnnotations().flatMap((one) => {
    const tool = toolNamed(one.metadata?.toolName ?? '')
    return tool && TOOLS[tool].measures ? [{ annotation: one, tool }] : []
  })
}

/** Part of Cornerstone's tools that its types leave out. */
interface Hand {
  editData?: { annotation?: Annotation } | null
  commonData?: { annotation?: Annotation } | null
}

/** Whether a tool holds it: it is being drawn, or a part of it is moved. */
function isInHand(one: Annotation): boolean {
  return ToolGroupManager.getAllToolGroups().some((group) => {
    const tool = group.getToolInstance(one.metadata?.toolName ?? '') as Hand | undefined
    return [tool?.editData, tool?.commonData].some((held) => held?.annotation?.annotationUID === one.annotationUID)
  })
}

/** Whether its numbers are of a shape that it no longer has, or were never worked out. */
export function isStale(one: Annotation, tool: ToolName): boolean {
  return TOOLS[tool].counts && one.invalidated === true && !isAsKept(one)
}

/** Whether a picture or a plane is on the screen on which it lies. */
function isOnScreen(one: Annotation): boolean {
  return (getRenderingEngines() ?? []).some((engine) =>
    engine.getViewports().some((viewport) => {
      const flat = viewport.type === ViewportType.STACK || (viewport.type === ViewportType.ORTHOGRAPHIC && viewport.getActors().length > 0)
      return flat && tools.planar.filterAnnotationsForDisplay(viewport as never, [one]).length > 0
    }),
  )
}

/** Whether its numbers are worked out, or once more, when its picture is shown again. */
function isUnseen(one: Annotation, tool: ToolName): boolean {
  return isStale(one, tool) && !isInHand(one) && !isOnScreen(one)
}

/** Whether it is being drawn or moved, or waits for its words. */
function isUnfinished(one: Annotation, tool: ToolName): boolean {
  return TOOLS[tool].counts ? isStale(one, tool) || isInHand(one) : !(one.data as Measured).label
}

/** Whether it is as it was kept: its picture was not shown since. */
export function isAsKept(one: Annotation): boolean {
  const { kept, cachedStats } = one.data as WithKept
  return kept !== undefined && Object.keys(cachedStats ?? {}).length === 0
}

function authorOf(one: Annotation): string | null {
  const { kept } = one.data as WithKept
  return kept?.shape === shapeOf(one) ? kept.author : null
}

function wordsNow(one: Annotation, tool: ToolName): readonly string[] {
  const data = one.data as WithKept
  if (isAsKept(one) && TOOLS[tool].counts) return data.kept?.comment?.split(' · ') ?? []
  return wordsOf(drawnBy(tool), data, targetOf(one))
}

function isSame(a: readonly Measurement[], b: readonly Measurement[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** All that is drawn in one viewer: listed, removed, done again. Only one viewer is on the screen at a time. */
export class Measurements {
  private list: readonly Measurement[] = []
  /** By uid, when it was first seen: Cornerstone keeps them by tool. */
  private readonly order = new Map<string, number>()
  private readonly watchers = new Set<() => void>()
  private frame = 0
  private shape = ''

  constructor(private readonly renderingEngineId: string) {
    history.size = HISTORY
    for (const name of HEARD) eventTarget.addEventListener(name, this.later)
    document.addEventListener(DRAWN, this.later, { capture: true })
    document.addEventListener(CHANGED, this.changed, { capture: true })
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  readonly snapshot = (): readonly Measurement[] => this.list

  private readonly later = (): void => {
    if (!this.frame) this.frame = requestAnimationFrame(this.read)
  }

  private readonly changed = (): void => {
    if (this.list.some((one) => one.drawing || one.unseen)) this.later()
  }

  private readonly read = (): void => {
    this.frame = 0
    const found = measured()
    const rank = ({ annotationUID = '' }: Annotation) => {
      const known = this.order.get(annotationUID) ?? this.order.size
      this.order.set(annotationUID, known)
      return known
    }
    for (const one of found) rank(one.annotation)
    found.sort((a, b) => rank(a.annotation) - rank(b.annotation))
    const shape = found.map(({ annotation: one }) => shapeOf(one)).join('\n')
    const list = found.map(({ annotation: one, tool }) => {
      const unseen = isUnseen(one, tool)
      const words = wordsNow(one, tool)
      return {
        uid: one.annotationUID ?? '',
        tool,
        imageId: pictureOf(one),
        plane: isOnPlane(one),
        words,
        selected: annotation.selection.isAnnotationSelected(one.annotationUID ?? ''),
        drawing: !unseen && isUnfinished(one, tool),
        unseen: unseen && words.length === 0,
        author: authorOf(one),
      }
    })
    // Pictures are drawn more often than measurements change.
    if (shape === this.shape && isSame(list, this.list)) return
    this.shape = shape
    this.list = list
    for (const watcher of this.watchers) watcher()
  }

  private render(): void {
    // Planes have an engine of their own.
    for (const one of getRenderingEngines() ?? []) one.render()
    this.later()
  }

  /** Lets a new one be undone; `deleted` turns it round: one that was removed comes back. */
  private remember(all: readonly Annotation[], deleted: boolean): void {
    // A tool that asks for words groups what follows, also after it was left without an answer.
    history.endGroupRecording()
    history.push({
      restoreMemo: (isUndo?: boolean) => {
        for (const one of all)
          if (isUndo === deleted) annotation.state.addAnnotation(one, one.metadata?.FrameOfReferenceUID ?? '')
          else annotation.state.removeAnnotation(one.annotationUID ?? '')
        this.render()
      },
    })
  }

  /** Adds what was made by keys; it can be undone. */
  add(one: Annotation): void {
    annotation.state.addAnnotation(one, one.metadata?.FrameOfReferenceUID ?? '')
    annotation.selection.setAnnotationSelected(one.annotationUID ?? '', true, false)
    this.remember([one], false)
    this.render()
  }

  /** Adds what was drawn before and kept; it is no new work, so there is nothing to undo. What is there already stays. */
  restore(all: readonly Annotation[]): void {
    for (const one of all)
      if (!annotation.state.getAnnotation(one.annotationUID ?? '')) annotation.state.addAnnotation(one, one.metadata?.FrameOfReferenceUID ?? '')
    this.render()
  }

  remove(uids: readonly string[]): void {
    const all = measured()
      .map((one) => one.annotation)
      .filter((one) => uids.includes(one.annotationUID ?? ''))
    if (!all.length) return
    for (const one of all) annotation.state.removeAnnotation(one.annotationUID ?? '')
    this.remember(all, true)
    this.render()
  }

  removeSelected(): void {
    this.remove(this.list.filter((one) => one.selected).map((one) => one.uid))
  }

  removeAll(): void {
    this.remove(measured().map((one) => one.annotation.annotationUID ?? ''))
  }

  /** Waits until nothing is being drawn and all numbers are of the shapes that stand; false: that does not come by itself. */
  async settled(): Promise<boolean> {
    for (let tries = 0; tries < SETTLING_FRAMES; tries++) {
      if (measured().every(({ annotation: one, tool }) => !isUnfinished(one, tool))) return true
      getRenderingEngine(this.renderingEngineId)?.render()
      await new Promise((done) => requestAnimationFrame(done))
    }
    return false
  }

  select(uid: string): void {
    annotation.selection.setAnnotationSelected(uid, true, false)
    this.render()
  }

  undo(): void {
    history.undo()
    this.render()
  }

  redo(): void {
    history.redo()
    this.render()
  }

  end(): void {
    cancelAnimationFrame(this.frame)
    for (const name of HEARD) eventTarget.removeEventListener(name, this.later)
    document.removeEventListener(DRAWN, this.later, { capture: true })
    document.removeEventListener(CHANGED, this.changed, { capture: true })
    annotation.state.removeAllAnnotations()
    forgetPlanes()
    history.size = HISTORY
  }
}
