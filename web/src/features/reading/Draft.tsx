import { Button, Checkbox, Menu, Select } from '@mantine/core'
import { IconCheck, IconCloudOff, IconDots, IconSignature } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useBlocker } from '@tanstack/react-router'
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore, type ReactNode } from 'react'
import { asProblem, http, useActor, useLiveStatus } from '@/lib/api'
import { showKeys, useKeys } from '@/lib/keys'
import { formatTime } from '@/lib/time'
import { ConfirmIrreversible, ReauthDialog, toastProblem, type Reauthentication } from '@/ui'
import { DraftQueue, type DraftState } from './draft'
import classes from './report.module.css'
import { SectionEditor } from './SectionEditor'
import { differences, neighbour, orderedSide, sectionNames, sectionTitle } from './sections'
import { TakeOver } from './TakeOver'
import { Text } from './Text'
import type { DraftSaved, Finding, Report, Template } from './types'

type Kind = 'preliminary' | 'final'

const HINT: Record<string, string> = {
  indication: 'Why the study was made',
  technique: 'How it was made',
  comparison: 'What it is compared with',
  findings: 'What is seen',
  impression: 'What it means',
}

const EMPTY_IMPRESSION: Finding = { code: 'empty-impression', text: 'The impression is empty.', blocking: true }

const focusSection = (name: string | undefined) =>
  document.querySelector<HTMLElement>(`[data-section="${name}"][contenteditable]`)?.focus()

const focusedSection = () => document.activeElement?.closest<HTMLElement>('[data-section]')?.dataset['section']

/** The report being written: sections, what to look at before signing, the signature. */
export function Draft({
  report,
  userPk,
  head,
  context,
  keyImages,
  onGiveBack,
  onFinal,
}: {
  report: Report
  userPk: number | null
  head: ReactNode
  context: ReactNode
  keyImages: ReactNode
  onGiveBack: () => Promise<void>
  onFinal: () => void
}) {
  const client = useQueryClient()
  const actor = useActor()
  const line = useLiveStatus()
  const pk = report.report_pk
  const reportKey = useMemo(() => ['report', pk], [pk])
  const [queue] = useState(
    () =>
      new DraftQueue(
        { sections: report.draft_sections ?? {}, revision: report.draft_revision, savedAt: report.draft_saved_at },
        (sections, draft_revision) => http.put<DraftSaved>(`/api/reports/${pk}/draft`, { sections, draft_revision }),
      ),
  )
  const draft = useSyncExternalStore(queue.subscribe, queue.state)
  useEffect(() => () => queue.stop(), [queue])
  useEffect(() => {
    if (line === 'live') queue.retry()
  }, [line, queue])

  const [findings, setFindings] = useState<readonly Finding[]>([])
  const [seen, setSeen] = useState<ReadonlySet<string>>(new Set())
  const [signing, setSigning] = useState<Kind>()
  const [busy, setBusy] = useState<Kind>()
  const names = useMemo(() => sectionNames(draft.sections), [draft.sections])
  const side = orderedSide(report.procedures.map((one) => one.laterality))
  const isTaken = report.editor_user_pk !== null && report.editor_user_pk !== userPk
  const findingsBox = useRef<HTMLDivElement>(null)

  const templates = useQuery({
    queryKey: ['report-templates'],
    queryFn: ({ signal }) => http.get<Template[]>('/api/report-templates', { signal }),
    staleTime: Infinity,
  })

  // Whoever took the draft over is told by an event; what is here is kept and no longer sent.
  useEffect(() => {
    if (isTaken) queue.stop()
    else queue.resume()
  }, [isTaken, queue])

  const ask = useCallback(async (): Promise<readonly Finding[]> => {
    const found = await http.post<Finding[]>(`/api/reports/${pk}/check`, { sections: queue.state().sections })
    setFindings(found)
    setSeen((was) => new Set([...was].filter((code) => found.some((one) => one.code === code && !one.blocking))))
    return found
  }, [pk, queue])

  // Of images of another side than was ordered the reader hears before the first word.
  useEffect(() => {
    ask()
      .then((found) => setFindings(found.filter((one) => one.code === 'image-laterality')))
      .catch(() => undefined)
  }, [ask])
  // The check follows the saved text, so that a wrong side stands out long before the signature.
  const { savedAt, epoch } = draft
  const firstSaved = useRef(savedAt)
  useEffect(() => {
    if (savedAt === firstSaved.current) return
    ask()
      .then((found) => {
        // An impression that is not written yet is no news to who is still writing.
        setFindings(found.filter((one) => !one.blocking))
      })
      .catch(() => undefined)
  }, [savedAt, ask])

  const write = useCallback(
    (name: string, text: string) => {
      queue.write(name, text)
      setFindings((was) => (was.length ? was.filter((one) => one.code !== EMPTY_IMPRESSION.code) : was))
    },
    [queue],
  )

  const startSigning = async (kind: Kind) => {
    if (busy || signing || isTaken) return
    if (!queue.state().sections['impression']?.trim()) {
      // Said at once and not after two answers of the server, as the next key is already being typed.
      setFindings((was) => [EMPTY_IMPRESSION, ...was.filter((one) => one.code !== EMPTY_IMPRESSION.code)])
      focusSection('impression')
      return
    }
    setBusy(kind)
    try {
      if (!(await queue.flush())) {
        const { problem, status } = queue.state()
        if (status !== 'conflict') toastProblem(problem ?? new Error('The draft is not saved.'), 'Not signed: the draft could not be saved first')
        return
      }
      const found = await ask()
      const open = found.filter((one) => one.blocking || !seen.has(one.code))
      if (open.length) {
        requestAnimationFrame(() => (findingsBox.current?.querySelector<HTMLElement>('input') ?? findingsBox.current)?.focus())
        return
      }
      setSigning(kind)
    } catch (error) {
      toastProblem(error, 'Not signed')
    } finally {
      setBusy(undefined)
    }
  }

  const sign = async (kind: Kind, proof: Reauthentication) => {
    const { sections, revision } = queue.state()
    const next = await http.post<Report>(`/api/reports/${pk}/signature`, {
      kind,
      sections,
      draft_revision: revision,
      acknowledged: [...seen],
      password: proof.password,
      totp: proof.totp,
    })
    if (kind === 'final') queue.stop()
    else queue.rebase(next.draft_revision, next.draft_saved_at)
    client.setQueryData(reportKey, next)
    if (kind === 'final') onFinal()
    void client.invalidateQueries({ queryKey: ['reading-list'] })
  }

  const applyTemplate = async (templateKey: string) => {
    if (!(await queue.flush())) return
    try {
      const next = await http.put<Report>(`/api/reports/${pk}/template`, {
        template_key: templateKey,
        draft_revision: queue.state().revision,
      })
      queue.adopt({ sections: next.draft_sections ?? {}, revision: next.draft_revision, savedAt: next.draft_saved_at })
      client.setQueryData(reportKey, next)
    } catch (error) {
      toastProblem(error, 'The template was not changed')
    }
  }

  const takeBack = async (reason: string) => {
    const next = await http.post<Report>(`/api/reports/${pk}/editor`, { reason })
    if (differences(queue.state().sections, next.draft_sections ?? {}).length) setOther(next)
    else queue.adopt({ sections: next.draft_sections ?? {}, revision: next.draft_revision, savedAt: next.draft_saved_at })
    client.setQueryData(reportKey, next)
  }

  const [other, setOther] = useState<Report>()
  // A refusal because of another saving: fetch what is there now, to compare.
  useEffect(() => {
    if (draft.status !== 'conflict') return
    http
      .get<Report>(`/api/reports/${pk}`)
      .then((next) => {
        client.setQueryData(reportKey, next)
        if (next.editor_user_pk === null || next.editor_user_pk === userPk) setOther(next)
      })
      .catch((error: unknown) => toastProblem(error, 'The other draft could not be fetched'))
  }, [draft.status, pk, client, reportKey, userPk])

  const move = (step: 1 | -1) => focusSection(neighbour(names, focusedSection(), step))
  useKeys('Report', [
    { keys: 'Mod+Enter', label: 'Sign as final', run: () => void startSigning('final'), inFields: true },
    { keys: 'Mod+Shift+Enter', label: 'Sign as preliminary', run: () => void startSigning('preliminary'), inFields: true },
    { keys: 'Mod+ArrowDown', label: 'Next section (also Tab)', run: () => move(1), inFields: true },
    { keys: 'Mod+ArrowUp', label: 'Section before (also Shift Tab)', run: () => move(-1), inFields: true },
    { keys: 'Shift+R', label: 'Write the findings', run: () => focusSection('findings') },
    {
      keys: 'Escape',
      label: 'Leave the text, to the images',
      run: () => (document.activeElement as HTMLElement | null)?.blur(),
      inFields: 'only',
    },
  ])

  const blocker = useBlocker({
    shouldBlockFn: async () => (isTaken ? queue.state().dirty : !(await queue.flush())),
    enableBeforeUnload: () => queue.state().dirty,
    withResolver: true,
  })

  const preliminary = report.versions.filter((version) => version.kind === 'preliminary').at(-1)
  const unsure = findings.filter((one) => one.blocking || !seen.has(one.code)).length

  return (
    <>
      {head}
      {draft.status === 'offline' ? (
        <p className={classes['line']} role="status">
          <IconCloudOff size={16} aria-hidden /> No connection. What you write is kept in this window and sent by itself; do not close it.
        </p>
      ) : null}
      <div className={classes['scroll']}>
        {context}
        {isTaken ? (
          <section className={classes['notice']} role="alert">
            <p>
              <strong>{report.editor_name ?? 'Somebody else'} has taken this report over.</strong>{' '}
              {draft.dirty ? 'Your last words are not in their draft; they are kept here.' : 'Everything you wrote is in their draft.'}
            </p>
            <TakeOver label="Take it back" onTakeOver={takeBack} />
          </section>
        ) : other ? (
          <Compare
            mine={draft}
            theirs={other}
            onMine={() => {
              queue.keepMine(other.draft_revision)
              setOther(undefined)
            }}
            onTheirs={() => {
              queue.adopt({ sections: other.draft_sections ?? {}, revision: other.draft_revision, savedAt: other.draft_saved_at })
              setOther(undefined)
            }}
          />
        ) : null}
        <div className={classes['tools']}>
          <Select
            aria-label="Template"
            value={report.template_key}
            data={templates.data?.map((one) => ({ value: one.key, label: one.title })) ?? []}
            allowDeselect={false}
            searchable
            disabled={isTaken}
            onChange={(key) => {
              if (key && key !== report.template_key) void applyTemplate(key)
            }}
          />
          <SaveState draft={draft} />
        </div>
        <fieldset className={classes['sections']} disabled={isTaken}>
          <legend className="sr-only">Report</legend>
          {names.map((name) => (
            <SectionEditor
              key={`${name}-${epoch}`}
              name={name}
              text={draft.sections[name] ?? ''}
              side={side}
              hint={HINT[name]}
              faulty={name === 'impression' && findings.some((one) => one.code === EMPTY_IMPRESSION.code)}
              onWrite={write}
            />
          ))}
        </fieldset>
        {preliminary ? (
          <details className={classes['older']}>
            <summary>Signed as preliminary by {preliminary.signed_by_name}</summary>
            <Text version={preliminary} />
          </details>
        ) : null}
        {keyImages}
      </div>

      {findings.length ? (
        <div ref={findingsBox} className={classes['findings']} role="alert" tabIndex={-1} aria-label="To look at before signing">
          {findings.map((one) =>
            one.blocking ? (
              <p key={one.code} data-blocking>
                {one.text}
              </p>
            ) : (
              <Checkbox
                key={one.code}
                label={`${one.text} It is meant so.`}
                checked={seen.has(one.code)}
                onChange={(event) => {
                  const next = new Set(seen)
                  if (event.currentTarget.checked) next.add(one.code)
                  else next.delete(one.code)
                  setSeen(next)
                }}
              />
            ),
          )}
        </div>
      ) : null}
      <footer className={classes['foot']}>
        <Menu position="top-start">
          <Menu.Target>
            <Button variant="subtle" color="gray" aria-label="More" px={8}>
              <IconDots size={18} />
            </Button>
          </Menu.Target>
          <Menu.Dropdown>
            <Menu.Item onClick={() => void queue.flush().then((ok) => (ok ? onGiveBack().catch((error: unknown) => toastProblem(error)) : undefined))}>
              Give the case back
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
        <span className={classes['footNote']}>{unsure ? `${unsure} to look at` : ''}</span>
        <Button variant="default" loading={busy === 'preliminary'} disabled={isTaken} onClick={() => void startSigning('preliminary')}>
          Preliminary
        </Button>
        <Button
          leftSection={<IconSignature size={16} />}
          rightSection={<kbd className={classes['onButton']}>{showKeys('Mod+Enter')}</kbd>}
          loading={busy === 'final'}
          disabled={isTaken}
          onClick={() => void startSigning('final')}
        >
          Sign final
        </Button>
      </footer>

      <ReauthDialog
        opened={signing !== undefined}
        title={signing === 'final' ? 'Sign the final report' : 'Sign the preliminary report'}
        confirm={signing === 'final' ? 'Sign as final' : 'Sign as preliminary'}
        username={actor.username}
        onConfirm={async (proof) => {
          if (!signing) return
          try {
            await sign(signing, proof)
          } catch (error) {
            // The check ran on the same text a moment ago; a warning here is one that nobody has seen.
            if (asProblem(error).errors.some((one) => one.field.startsWith('warning.'))) await ask().catch(() => undefined)
            throw error
          }
        }}
        onClose={() => setSigning(undefined)}
      >
        <p>
          {signing === 'final'
            ? 'It goes out at once and is never changed again; what comes later is an addendum.'
            : 'It is shown as preliminary until the final report is signed.'}
        </p>
        <p className={classes['signedText']}>{draft.sections['impression']}</p>
      </ReauthDialog>
      <ConfirmIrreversible
        opened={blocker.status === 'blocked'}
        title="Leave without the last changes?"
        confirm="Leave and lose them"
        onConfirm={() => blocker.proceed?.()}
        onClose={() => blocker.reset?.()}
      >
        The last changes to this report could not be saved. They are kept only while this case stays open. Saved at{' '}
        {draft.savedAt ? formatTime(draft.savedAt) : 'no time yet'}.
      </ConfirmIrreversible>
    </>
  )
}

function SaveState({ draft }: { draft: DraftState }) {
  if (draft.status === 'refused') {
    return (
      <span className={classes['saveState']} data-tone="danger" role="alert">
        Not saved: {draft.problem?.errors[0]?.reason ?? draft.problem?.message}
      </span>
    )
  }
  if (draft.status === 'offline') return <span className={classes['saveState']} data-tone="urgent">Not saved yet</span>
  if (draft.status === 'conflict') return <span className={classes['saveState']} data-tone="urgent">Saved elsewhere meanwhile</span>
  if (draft.dirty) return <span className={classes['saveState']}>Writing</span>
  return (
    <span className={classes['saveState']}>
      {draft.savedAt ? (
        <>
          <IconCheck size={13} aria-hidden /> Saved {formatTime(draft.savedAt)}
        </>
      ) : null}
    </span>
  )
}

/** Two drafts of one report: what differs, and whose goes on. */
function Compare({
  mine,
  theirs,
  onMine,
  onTheirs,
}: {
  mine: DraftState
  theirs: Report
  onMine: () => void
  onTheirs: () => void
}) {
  const found = differences(mine.sections, theirs.draft_sections ?? {})
  return (
    <section className={classes['notice']} role="alert">
      <p>
        <strong>This draft was saved elsewhere meanwhile.</strong> Nothing is lost: choose which text goes on.
      </p>
      {found.map((one) => (
        <div key={one.name} className={classes['compare']}>
          <h4>{sectionTitle(one.name)}</h4>
          <div>
            <span>Here</span>
            <p>{one.mine || 'empty'}</p>
          </div>
          <div>
            <span>There</span>
            <p>{one.theirs || 'empty'}</p>
          </div>
        </div>
      ))}
      {found.length ? null : <p className={classes['quiet']}>Both say the same.</p>}
      <div className={classes['buttons']}>
        <Button variant="default" onClick={onTheirs}>
          Go on with the other
        </Button>
        <Button onClick={onMine}>Go on with this</Button>
      </div>
    </section>
  )
}
