import { useMemo, useState, type ReactNode } from 'react'
import { useSession } from '@/lib/api'
import type { Engine } from '../engine'
import { PANES, type PaneId } from '../layout'
import type { Links } from '../links'
import { useSteady } from '../steady'
import type { ViewerStudy } from '../study'
import type { Hanging } from '../useHanging'
import type { Slab } from '../volume/slab'
import { arrange } from './arrange'
import { draftOf, type Draft } from './draft'
import { studyFacts } from './facts'
import { HangingMenu } from './HangingMenu'
import { seenIn } from './looks'
import { boxFor, definitionFor } from './make'
import { ProtocolEditor } from './ProtocolEditor'
import type { Protocol, Reformatting, Stage } from './types'

interface Given {
  study: ViewerStudy
  priors: readonly ViewerStudy[]
  engine: Engine | null
  hanging: Hanging
  protocols: readonly Protocol[] | undefined
  visible: readonly PaneId[]
  active: PaneId
  inPlanes: boolean
  links: Links
  slab: Slab
  onWindow?: (() => void) | undefined
}

const NONE: readonly Protocol[] = []
const SLAB_MODE = { MIP: 'mip', MINIP: 'minip', AVERAGE: 'average' } as const
const SLAB_NAME = { mip: 'MIP', minip: 'MINIP', average: 'AVERAGE' } as const

/** The slab that a stage begins with; undefined: it says none. */
export function slabOf(through: Reformatting | null | undefined): Slab | undefined {
  return through?.slab && through.reformatting_thickness ? { mode: SLAB_MODE[through.slab], thickness: through.reformatting_thickness } : undefined
}

/** The menu of hangings in the tool bar, and the editor beside the images. */
export function useStaging(given: Given): { menu: ReactNode; editor: ReactNode } {
  const { study, priors, engine, hanging, protocols, visible, active, inPlanes, links, slab } = given
  const { may } = useSession()
  const [draft, setDraft] = useState<Draft | null>(null)
  const current = hanging.opened[0]
  const openedOf = (of: ViewerStudy) => {
    const found = hanging.opened.find((one) => one.study.study_pk === of.study_pk)
    return found ? { study: of, stacks: found.loaded.stacks, loading: found.loaded.loading } : null
  }

  const stageNow = (): { stage: Stage; notes: string[] } => {
    const notes: string[] = []
    const image_boxes = visible.map((id, at) => {
      const [hung, stack] = [hanging.hungIn(id), hanging.stackIn(id)]
      const among = hung && openedOf(hung.study)?.stacks
      if (!hung || !stack || !among || !engine) return null
      const box = boxFor({ study: hung.study, stack, among, seen: seenIn(engine, id, stack) }, study, priors)
      if (!box) notes.push(`Box ${at + 1} stays empty: its prior is of another modality or part of the body, and no rule would find it again.`)
      return box
    })
    const through = inPlanes && image_boxes[PANES.indexOf(active)] ? planesNow(PANES.indexOf(active) + 1, slab) : null
    return { stage: { rows: hanging.layout.rows, columns: hanging.layout.columns, image_boxes, together: { ...links }, reformatting: through }, notes }
  }

  const saveLayout = () => {
    const { stage } = stageNow()
    const definition = definitionFor(study, studyFacts(study, current?.loaded.stacks ?? [], priors), [stage])
    const name = [definition.modality, definition.body_part_examined, definition.number_of_priors_referenced ? 'with prior' : null].filter(Boolean).join(' ')
    setDraft({ known: null, mayChange: true, name: name || 'My hanging', owner: 'me', definition, stages: [stage] })
  }

  const mayKeep = may('study.read') && hanging.opened.some((one) => one.loaded.stacks.length > 0)
  const { applied, fitting } = hanging
  const acts = useSteady({
    hangBy: hanging.hangBy,
    step: hanging.step,
    save: saveLayout,
    edit: (protocol: Protocol) => setDraft(draftOf(protocol)),
    window: () => given.onWindow?.(),
  })
  const opens = given.onWindow !== undefined
  // It stands in the tool bar, which is drawn anew where it is another.
  const menu = useMemo(
    () => (
      <HangingMenu
        hanging={{ applied, fitting, hangBy: acts.hangBy, step: acts.step }}
        protocols={protocols ?? NONE}
        mayKeep={mayKeep}
        onSave={acts.save}
        onEdit={acts.edit}
        onWindow={opens ? acts.window : undefined}
      />
    ),
    [applied, fitting, acts, protocols, mayKeep, opens],
  )
  return {
    menu,
    editor: draft ? (
      <ProtocolEditor
        // A protocol that was kept is another draft.
        key={draft.known ? `${draft.known.hanging_protocol_pk}` : 'new'}
        draft={draft}
        onDraft={setDraft}
        stageNow={stageNow}
        placedBy={(stage) => (current ? arrange(stage, { study, stacks: current.loaded.stacks, loading: current.loaded.loading }, priors, openedOf) : [])}
        onTry={hanging.hangBy}
        onKept={(protocol, stage) => {
          setDraft(null)
          hanging.hangBy(protocol, stage)
        }}
        onRemoved={(hanging_protocol_pk) => {
          setDraft(null)
          if (hanging.applied?.protocol.hanging_protocol_pk === hanging_protocol_pk) hanging.hangBy(hanging.fitting.find((one) => one.hanging_protocol_pk !== hanging_protocol_pk) ?? null)
        }}
        onClose={() => setDraft(null)}
      />
    ) : null,
  }
}

function planesNow(image_box_number: number, slab: Slab): Reformatting {
  if (slab.mode === 'thin') return { image_box_number, reformatting_operation_type: 'MPR' }
  return { image_box_number, reformatting_operation_type: 'SLAB', slab: SLAB_NAME[slab.mode], reformatting_thickness: slab.thickness }
}
