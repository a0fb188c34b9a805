import { eventTarget, getRenderingEngine, utilities } from '@cornerstonejs/core'
import { annotation, Enums, type Types as ToolTypes } from '@cornerstonejs/tools'
import { drawnBy, toolNamed, TOOLS, type ToolName } from '../tools'
import { wordsOf, type Measured } from './words'

type Annotation = ToolTypes.Annotation

/** One thing drawn on a picture. */
export interface Measurement {
  uid: string
  tool: ToolName
  /** The picture it was drawn on; null on a plane that no picture lies in. */
  imageId: string | null
  words: readonly string[]
  selected: boolean
}

const HEARD = [
  Enums.Events.ANNOTATION_ADDED,
  Enums.Events.ANNOTATION_COMPLETED,
  Enums.Events.ANNOTATION_MODIFIED,
  Enums.Events.ANNOTATION_REMOVED,
  Enums.Events.ANNOTATION_SELECTION_CHANGE,
]

const history = utilities.HistoryMemo.DefaultHistoryMemo
const HISTORY = 50

export function targetOf(one: Annotation): string {
  const stats = (one.data as Measured).cachedStats ?? {}
  const picture = `imageId:${one.metadata?.referencedImageId ?? ''}`
  return picture in stats ? picture : (Object.keys(stats)[0] ?? picture)
}

export function measured(): { annotation: Annotation; tool: ToolName }[] {
  return annotation.state.getAllAnnotations().flatMap((one) => {
    const tool = toolNamed(one.metadata?.toolName ?? '')
    return tool && TOOLS[tool].measures ? [{ annotation: one, tool }] : []
  })
}

/** All that is drawn in one viewer: listed, removed, done again. Only one viewer is on the screen at a time. */
export class Measurements {
  private list: readonly Measurement[] = []
  /** By uid, when it was first seen: Cornerstone keeps them by tool. */
  private readonly order = new Map<string, number>()
  private readonly watchers = new Set<() => void>()
  private frame = 0

  constructor(private readonly renderingEngineId: string) {
    history.size = HISTORY
    for (const name of HEARD) eventTarget.addEventListener(name, this.later)
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.watchers.add(watcher)
    return () => this.watchers.delete(watcher)
  }

  readonly snapshot = (): readonly Measurement[] => this.list

  private readonly later = (): void => {
    if (!this.frame) this.frame = requestAnimationFrame(this.read)
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
    this.list = found.map(({ annotation: one, tool }) => ({
      uid: one.annotationUID ?? '',
      tool,
      imageId: one.metadata?.referencedImageId ?? null,
      words: wordsOf(drawnBy(tool), one.data as Measured, targetOf(one)),
      selected: annotation.selection.isAnnotationSelected(one.annotationUID ?? ''),
    }))
    for (const watcher of this.watchers) watcher()
  }

  private render(): void {
    getRenderingEngine(this.renderingEngineId)?.render()
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
    annotation.state.removeAllAnnotations()
    history.size = HISTORY
  }
}
