import { ActionIcon, Button, Checkbox, NumberInput, Select, TextInput, Tooltip } from '@mantine/core'
import { IconArrowDown, IconArrowUp, IconChevronLeft, IconChevronRight, IconCopy, IconPlus, IconTrash, IconX } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { asProblem, http, useSession, type Answer } from '@/lib/api'
import { ConfirmIrreversible, ProblemNote, toast } from '@/ui'
import { LINKS, LINK_LABEL } from '../links'
import type { Placed } from './arrange'
import { BoxRule, SIDES } from './BoxRule'
import { bodyOf, faultOf, moved, resized, withBox, withStage, type Draft } from './draft'
import classes from './hanging.module.css'
import type { Definition, Hangable, Protocol, Stage } from './types'
import { useKeepProtocol } from './useProtocols'
import { selectorWords } from './words'

type Site = Answer<'/api/sites', 'get'>[number]

export interface ProtocolEditorProps {
  draft: Draft
  onDraft: (draft: Draft) => void
  /** The stage as the panes hang now; boxes that no rule can say are empty, and named in `notes`. */
  stageNow: () => { stage: Stage; notes: string[] }
  /** What a stage would show of the study that is open. */
  placedBy: (stage: Stage) => (Placed | null)[]
  onTry: (protocol: Hangable, stage: number) => void
  onKept: (protocol: Protocol, stage: number) => void
  onRemoved: (hanging_protocol_pk: number) => void
  onClose: () => void
}

/** A protocol is named, its stages are ordered and changed, tried on the open study, kept, shared and removed. */
export function ProtocolEditor({ draft, onDraft, stageNow, placedBy, onTry, onKept, onRemoved, onClose }: ProtocolEditorProps) {
  const { may } = useSession()
  const server = useKeepProtocol()
  const [chosen, setChosen] = useState(0)
  const [boxAt, setBox] = useState<number | null>(null)
  const [problem, setProblem] = useState<unknown>(null)
  const [busy, setBusy] = useState(false)
  const [removing, setRemoving] = useState(false)
  const [folded, setFolded] = useState(false)
  const nameField = useRef<HTMLInputElement>(null)
  const isNew = draft.known === null
  useEffect(() => {
    if (isNew) nameField.current?.select()
  }, [isNew])
  const sites = useQuery({ queryKey: ['sites'], queryFn: ({ signal }) => http.get<Site[]>('/api/sites', { signal }), enabled: may('hanging_protocol.share') })
  const readOnly = !draft.mayChange
  const at = Math.min(chosen, draft.stages.length - 1)
  const stage = draft.stages[at]
  const fault = faultOf(draft)
  const change = (next: (stage: Stage) => Stage) => onDraft(withStage(draft, at, next))
  const asked = (next: Partial<Definition>) => onDraft({ ...draft, definition: { ...draft.definition, ...next } })
  const hangable = (stages = draft.stages): Hangable => ({ hanging_protocol_pk: draft.known?.hanging_protocol_pk ?? null, name: draft.name.trim() || 'Draft', display_sets: [...stages], hanging_protocol_definition: draft.definition })
  const take = (into: 'new' | number) => {
    const { stage: now, notes } = stageNow()
    if (now.image_boxes.every((box) => box === null)) {
      toast('Nothing hangs that a rule could say.')
      return
    }
    for (const note of notes) toast(note)
    const label = typeof into === 'number' ? draft.stages[into]?.display_set_label : null
    const stages = into === 'new' ? [...draft.stages, now] : draft.stages.map((one, n) => (n === into ? { ...now, display_set_label: label ?? null } : one))
    onDraft({ ...draft, stages })
    setChosen(into === 'new' ? stages.length - 1 : into)
    setBox(null)
  }
  const keep = async (asNew: boolean) => {
    setBusy(true)
    setProblem(null)
    try {
      const kept = await server.keep(bodyOf(asNew && readOnly ? { ...draft, owner: 'me' } : draft), asNew ? null : draft.known)
      toast(`Kept: ${kept.name}`)
      onKept(kept, at)
    } catch (error) {
      setProblem(error)
    } finally {
      setBusy(false)
    }
  }
  const remove = async () => {
    if (!draft.known) return
    await server.remove(draft.known.hanging_protocol_pk)
    onRemoved(draft.known.hanging_protocol_pk)
  }
  const placed = stage ? placedBy(stage) : []
  const refused = (field: string) => (problem ? asProblem(problem).errors.find((one) => one.field === field)?.reason : undefined)
  const [nameFault, siteFault] = [refused('name'), refused('site_pk')]
  const stageFields = (
    <>
      {stage ? (
        <div>
          <h4>Boxes of stage {at + 1}</h4>
          <div className={classes['boxes']} style={{ gridTemplateColumns: `repeat(${stage.columns}, minmax(0, 1fr))` }} role="group" aria-label={`Boxes of stage ${at + 1}`}>
            {stage.image_boxes.map((box, n) => (
              <button
                key={n}
                type="button"
                className={classes['box']}
                data-prior={box?.abstract_prior_value || undefined}
                data-none={box === null || undefined}
                aria-pressed={n === boxAt}
                onClick={() => setBox(n === boxAt ? null : n)}
              >
                {box ? (
                  <>
                    <strong>{box.abstract_prior_value ? `Prior ${box.abstract_prior_value}` : 'Current'}</strong>
                    <br />
                    {selectorWords(box.selector)}
                  </>
                ) : (
                  'Empty'
                )}
              </button>
            ))}
          </div>
          {boxAt !== null && boxAt < stage.image_boxes.length ? (
            <BoxRule
              box={stage.image_boxes[boxAt] ?? null}
              found={foundIn(placed[boxAt])}
              missing={missingIn(placed[boxAt])}
              readOnly={readOnly}
              onChange={(box) => change((one) => withBox(one, boxAt, box))}
            />
          ) : (
            <p className={classes['note']}>Choose a box to see and change its rule.</p>
          )}
        </div>
      ) : null}
      {stage ? (
        <fieldset className={classes['rule']} disabled={readOnly} aria-label={`Stage ${at + 1}`}>
          <div className={classes['pair']}>
            <NumberInput size="xs" label="Rows" min={1} max={3} value={stage.rows} onChange={(value) => typeof value === 'number' && change((one) => resized(one, value, one.columns))} />
            <NumberInput size="xs" label="Columns" min={1} max={3} value={stage.columns} onChange={(value) => typeof value === 'number' && change((one) => resized(one, one.rows, value))} />
          </div>
          <div className={classes['row']}>
            {LINKS.map((kind) => (
              <Checkbox key={kind} size="xs" label={LINK_LABEL[kind]} checked={stage.together[kind]} onChange={(event) => {
                const on = event.currentTarget.checked
                change((one) => ({ ...one, together: { ...one.together, [kind]: on } }))
              }} />
            ))}
          </div>
          <Select
            size="xs"
            label="Planes (MPR) through"
            data={[{ value: '0', label: 'No box' }, ...stage.image_boxes.flatMap((box, n) => (box ? [{ value: String(n + 1), label: `Box ${n + 1}` }] : []))]}
            value={String(stage.reformatting?.image_box_number ?? 0)}
            allowDeselect={false}
            description={stage.reformatting?.slab ? `${stage.reformatting.slab} of ${stage.reformatting.reformatting_thickness} mm` : undefined}
            onChange={(value) => {
              const image_box_number = Number(value)
              change((one) => ({ ...one, reformatting: image_box_number ? { ...(one.reformatting ?? { reformatting_operation_type: 'MPR' }), image_box_number } : null }))
            }}
          />
        </fieldset>
      ) : null}
    </>
  )
  if (folded)
    return (
      <aside className={classes['folded']} aria-label="Hanging protocol" data-testid="hanging-editor">
        <button type="button" aria-expanded={false} onClick={() => setFolded(false)}>
          <IconChevronLeft size={18} aria-hidden />
          <span>{draft.name.trim() || 'Hanging protocol'}</span>
        </button>
      </aside>
    )
  return (
    <aside className={classes['editor']} aria-label="Hanging protocol" data-testid="hanging-editor">
      <header className={classes['head']}>
        <h3>{isNew ? 'New hanging protocol' : readOnly ? 'Hanging protocol' : 'Edit hanging protocol'}</h3>
        <span>
          <ActionIcon variant="subtle" aria-label="See the images: fold the hanging protocol away" aria-expanded onClick={() => setFolded(true)}>
            <IconChevronRight size={18} />
          </ActionIcon>
          <ActionIcon variant="subtle" aria-label="Close the hanging protocol" onClick={onClose}>
            <IconX size={18} />
          </ActionIcon>
        </span>
      </header>
      <div className={classes['body']}>
        {problem && !nameFault && !siteFault ? <ProblemNote error={problem} title="The protocol was not kept" safe="What you wrote is still here." /> : null}
        <TextInput ref={nameField} label="Name" required maxLength={64} value={draft.name} error={nameFault} readOnly={readOnly} onChange={(event) => onDraft({ ...draft, name: event.currentTarget.value })} />
        {may('hanging_protocol.share') && !readOnly ? (
          <Select
            label="For"
            error={siteFault}
            allowDeselect={false}
            value={String(draft.owner)}
            data={[
              { value: 'me', label: 'Me' },
              ...(sites.data ?? []).map((site) => ({ value: String(site.site_pk), label: `Site ${site.code}` })),
              ...(may('config.write') ? [{ value: 'everybody', label: 'Everybody' }] : []),
            ]}
            onChange={(value) => onDraft({ ...draft, owner: value === 'everybody' || value === 'me' ? value : Number(value) })}
          />
        ) : null}
        <fieldset className={classes['rule']} disabled={readOnly} aria-label="For which studies">
          <h4>For studies of which all this is so</h4>
          <div className={classes['pair']}>
            <TextInput size="xs" label="Modality" maxLength={16} value={draft.definition.modality ?? ''} onChange={(event) => asked({ modality: event.currentTarget.value.toUpperCase() || null })} />
            <TextInput size="xs" label="Body part" maxLength={16} value={draft.definition.body_part_examined ?? ''} onChange={(event) => asked({ body_part_examined: event.currentTarget.value.toUpperCase() || null })} />
            <TextInput size="xs" label="Words of the procedure" maxLength={64} value={draft.definition.procedure ?? ''} onChange={(event) => asked({ procedure: event.currentTarget.value || null })} />
            <TextInput size="xs" label="Procedure code" maxLength={16} value={draft.definition.procedure_code ?? ''} onChange={(event) => asked({ procedure_code: event.currentTarget.value || null })} />
            <Select size="xs" label="Side" clearable data={SIDES} value={draft.definition.laterality ?? null} onChange={(value) => asked({ laterality: value as Definition['laterality'] })} />
            <TextInput size="xs" label="View position" maxLength={16} value={draft.definition.view_position ?? ''} onChange={(event) => asked({ view_position: event.currentTarget.value.toUpperCase() || null })} />
          </div>
          <NumberInput size="xs" label="Comparable priors, at least" min={0} max={4} value={draft.definition.number_of_priors_referenced} onChange={(value) => asked({ number_of_priors_referenced: typeof value === 'number' ? value : 0 })} />
        </fieldset>
        <div>
          <h4>Stages, one key apart</h4>
          <ol className={classes['stages']}>
            {draft.stages.map((one, n) => (
              <li key={n} className={classes['stage']} data-chosen={n === at || undefined}>
                <div className={classes['stageHead']}>
                  <TextInput
                    size="xs"
                    aria-label={`Name of stage ${n + 1}`}
                    placeholder={`Stage ${n + 1} · ${one.rows} × ${one.columns}`}
                    maxLength={64}
                    value={one.display_set_label ?? ''}
                    readOnly={readOnly}
                    onFocus={() => {
                      setChosen(n)
                      if (n !== at) setBox(null)
                    }}
                    onChange={(event) => {
                      const display_set_label = event.currentTarget.value || null
                      onDraft(withStage(draft, n, (stageAt) => ({ ...stageAt, display_set_label })))
                    }}
                  />
                  {readOnly ? null : (
                    <>
                      <Small label={`Move stage ${n + 1} up`} icon={<IconArrowUp size={16} />} disabled={n === 0} onClick={() => { onDraft({ ...draft, stages: moved(draft.stages, n, -1) }); setChosen(n - 1) }} />
                      <Small label={`Move stage ${n + 1} down`} icon={<IconArrowDown size={16} />} disabled={n === draft.stages.length - 1} onClick={() => { onDraft({ ...draft, stages: moved(draft.stages, n, 1) }); setChosen(n + 1) }} />
                      <Small label={`Take what hangs now as stage ${n + 1}`} icon={<IconCopy size={16} />} onClick={() => take(n)} />
                      <Small label={`Remove stage ${n + 1}`} icon={<IconTrash size={16} />} disabled={draft.stages.length === 1} onClick={() => { onDraft({ ...draft, stages: draft.stages.filter((_, other) => other !== n) }); setBox(null) }} />
                    </>
                  )}
                </div>
                <Button size="compact-xs" variant={n === at ? 'light' : 'default'} onClick={() => { setChosen(n); setBox(null); onTry(hangable(), n) }}>
                  Try on this study
                </Button>
              </li>
            ))}
          </ol>
          {readOnly ? null : (
            <Button mt={8} size="xs" variant="default" leftSection={<IconPlus size={14} />} disabled={draft.stages.length >= 12} onClick={() => take('new')}>
              Add what hangs now as a stage
            </Button>
          )}
        </div>
        {stageFields}
        {fault ? <p className={classes['note']}>{fault}</p> : null}
      </div>
      <footer className={classes['foot']}>
        {readOnly ? null : (
          <Button size="xs" loading={busy} disabled={fault !== null} onClick={() => void keep(false)}>
            {isNew ? 'Save protocol' : 'Save'}
          </Button>
        )}
        {isNew ? null : (
          <Button size="xs" variant="default" loading={busy} disabled={fault !== null} onClick={() => void keep(true)}>
            {readOnly ? 'Keep a copy of my own' : 'Save as new'}
          </Button>
        )}
        {isNew || readOnly ? null : (
          <Button size="xs" variant="subtle" color="red" onClick={() => setRemoving(true)}>
            Delete
          </Button>
        )}
      </footer>
      {removing ? (
        <ConfirmIrreversible opened title={`Delete “${draft.name}”?`} confirm="Delete the protocol" onConfirm={remove} onClose={() => setRemoving(false)}>
          Studies that it would have hung hang by the next protocol that fits, or as is built in.
        </ConfirmIrreversible>
      ) : null}
    </aside>
  )
}

function foundIn(placed: Placed | null | undefined) {
  return placed && 'stack' in placed ? placed.stack : null
}

function missingIn(placed: Placed | null | undefined): string {
  return placed && 'missing' in placed ? placed.missing : 'Finds nothing here'
}

function Small({ label, icon, disabled = false, onClick }: { label: string; icon: React.ReactNode; disabled?: boolean; onClick: () => void }) {
  return (
    <Tooltip label={label} openDelay={400}>
      <ActionIcon variant="subtle" aria-label={label} disabled={disabled} onClick={onClick}>
        {icon}
      </ActionIcon>
    </Tooltip>
  )
}
