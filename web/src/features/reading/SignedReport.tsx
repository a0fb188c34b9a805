import { Button, Textarea } from '@mantine/core'
import { IconFileTypePdf, IconPlayerTrackNext, IconPlus } from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useBlocker } from '@tanstack/react-router'
import { useEffect, useRef, useState, type ReactNode } from 'react'
import { http, useActor, useSession } from '@/lib/api'
import { showKeys } from '@/lib/keys'
import { ConfirmIrreversible, Priority, ProcedureName, ReauthDialog } from '@/ui'
import { nextCase } from './api'
import classes from './report.module.css'
import { Text } from './Text'
import type { Report } from './types'

/** A final report: its text never changes; an addendum can follow. */
export function SignedReport({
  report,
  head,
  context,
  keyImages,
  modality,
  onNext,
}: {
  report: Report
  head: ReactNode
  context: ReactNode
  keyImages: ReactNode
  modality: readonly string[]
  onNext: () => void
}) {
  const client = useQueryClient()
  const actor = useActor()
  const { may } = useSession()
  const [addendum, setAddendum] = useState<string>()
  const [signing, setSigning] = useState(false)
  const next = useQuery({
    queryKey: ['reading-list', 'next', modality],
    queryFn: () => nextCase(modality),
  })
  const waiting = next.data?.item
  const nextButton = useRef<HTMLButtonElement>(null)
  // After the signature the next case is one key away, and focus is there, not in a text that is no more.
  useEffect(() => {
    if (document.activeElement === document.body) nextButton.current?.focus()
  }, [])
  const blocker = useBlocker({
    shouldBlockFn: () => Boolean(addendum?.trim()),
    enableBeforeUnload: () => Boolean(addendum?.trim()),
    withResolver: true,
  })
  const shown = report.versions.filter((version) => version.kind !== 'preliminary')
  const earlier = report.versions.filter((version) => version.kind === 'preliminary')

  return (
    <>
      {head}
      <div className={classes['scroll']}>
        {context}
        <div className={classes['signed']}>
          {shown.map((version) => (
            <Text key={version.version_number} version={version} />
          ))}
          {addendum !== undefined ? (
            <form
              className={classes['addendum']}
              onSubmit={(event) => {
                event.preventDefault()
                if (addendum.trim()) setSigning(true)
              }}
            >
              <Textarea
                label="Addendum"
                description="It is signed by itself and goes out with the report; the text above stays as it is."
                autosize
                minRows={3}
                autoFocus
                maxLength={20_000}
                value={addendum}
                onChange={(event) => setAddendum(event.currentTarget.value)}
                onKeyDown={(event) => {
                  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && addendum.trim()) {
                    event.preventDefault()
                    setSigning(true)
                  }
                }}
              />
              <div className={classes['buttons']}>
                <Button variant="default" onClick={() => setAddendum(undefined)}>
                  Discard
                </Button>
                <Button type="submit" disabled={!addendum.trim()}>
                  Sign the addendum
                </Button>
              </div>
            </form>
          ) : null}
        </div>
        {earlier.map((version) => (
          <details key={version.version_number} className={classes['older']}>
            <summary>Signed as preliminary by {version.signed_by_name}</summary>
            <Text version={version} />
          </details>
        ))}
        {keyImages}
      </div>
      <footer className={classes['foot']}>
        <Button
          component="a"
          href={`/api/reports/${report.report_pk}/pdf`}
          target="_blank"
          rel="noreferrer"
          variant="default"
          leftSection={<IconFileTypePdf size={16} />}
        >
          PDF
        </Button>
        {may('report.sign') && addendum === undefined ? (
          <Button variant="default" leftSection={<IconPlus size={16} />} onClick={() => setAddendum('')}>
            Addendum
          </Button>
        ) : null}
        <span className={classes['footNote']} />
        <Button
          ref={nextButton}
          leftSection={<IconPlayerTrackNext size={16} />}
          rightSection={<kbd className={classes['onButton']}>{showKeys('n')}</kbd>}
          disabled={next.isSuccess && !waiting}
          onClick={onNext}
        >
          {next.isSuccess && !waiting ? 'Everything is read' : 'Next case'}
        </Button>
      </footer>
      {waiting ? (
        <p className={classes['waiting']}>
          <span>Next:</span>
          <Priority priority={waiting.requested_procedure_priority} since={waiting.first_image_at} />
          <span>
            <ProcedureName description={waiting.requested_procedure_description} laterality={waiting.laterality} />
          </span>
        </p>
      ) : null}
      <ReauthDialog
        opened={signing}
        title="Sign the addendum"
        confirm="Sign the addendum"
        username={actor.username}
        onConfirm={async (proof) => {
          const signed = await http.post<Report>(`/api/reports/${report.report_pk}/addenda`, {
            text: addendum ?? '',
            password: proof.password,
            totp: proof.totp,
          })
          client.setQueryData(['report', report.report_pk], signed)
          setAddendum(undefined)
        }}
        onClose={() => setSigning(false)}
      >
        <p>It goes out at once and is never changed again.</p>
      </ReauthDialog>
      <ConfirmIrreversible
        opened={blocker.status === 'blocked'}
        title="Leave without the addendum?"
        confirm="Leave and discard it"
        onConfirm={() => blocker.proceed?.()}
        onClose={() => blocker.reset?.()}
      >
        The addendum is not signed, and is not kept once this case is left.
      </ConfirmIrreversible>
    </>
  )
}
