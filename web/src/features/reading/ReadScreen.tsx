import { ActionIcon, Button, Tooltip } from '@mantine/core'
import { useMediaQuery } from '@mantine/hooks'
import {
  IconArrowLeft,
  IconColumns2,
  IconLayoutSidebarRight,
  IconLayoutSidebarRightCollapse,
  IconLayoutSidebarRightExpand,
  IconPlayerTrackNext,
} from '@tabler/icons-react'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { useEffect, useMemo, useRef, useState } from 'react'
import { asProblem, http, useActor, useLive, useLiveEvents, useSession } from '@/lib/api'
import { showKeys, useKeys } from '@/lib/keys'
import { useFirstWindow } from '@/lib/caseWindows'
import { later } from '@/lib/later'
import { load, save } from '@/lib/storage'
import { StartTogether } from '@/together'
import { Empty, Outline, PatientBar, ProblemNote, toast } from '@/ui'
import type { ScreenState } from '@/viewer'
import { claim, refreshCases, release, useOpenNext, usePriors } from './api'
import { enter, takeOver, type Entry } from './entry'
import { Images } from './Images'
import classes from './report.module.css'
import { barOf, EVERYTHING, LIST_EVENTS, viewerPrior, viewerStudy, type ListFilter, type ReadingItem } from './types'

// The editors are large, and the images are looked at first.
const Panel = later(async () => ({ default: (await import('./Panel')).Panel }))

const WIDTH = { least: 380, most: 640, usual: 460 }
// Beside a report wider than this a tablet has no room for an image.
const NARROW_MOST = 400
const PROLONG_MS = 10 * 60_000
/** The report waits so long for the first image, should none come. */
const IMAGE_FIRST_MS = 1_000

/** One case: patient on top, images left, report right. */
export default function ReadScreen() {
  const { studyPk } = useParams({ strict: false }) as { studyPk: string }
  const found = useQuery({
    queryKey: ['reading-list', 'case', studyPk],
    queryFn: ({ signal }) => http.get<ReadingItem>(`/api/reading-list/studies/${studyPk}`, { signal }),
    enabled: /^\d{1,15}$/.test(studyPk),
  })
  useLive(LIST_EVENTS, [['reading-list']])
  useEffect(() => {
    document.title = 'Reading · Wetread'
  }, [])
  const navigate = useNavigate()
  const back = (
    <Button variant="default" onClick={() => void navigate({ to: '/reading' })}>
      Back to the list
    </Button>
  )
  // Taken off its order while it is open: what was fetched before stays on the screen, and says so.
  const isGone = found.error !== null && asProblem(found.error).status === 404
  // Hung on another patient's order it is another case: the report beside it must not stay that of the first.
  if (found.data) return <Case key={`${found.data.study_pk} ${found.data.patient.patient_pk}`} item={found.data} isGone={isGone} />
  if (!/^\d{1,15}$/.test(studyPk) || isGone) {
    return (
      <Empty title="There is no such case" hint="It may have been taken off its order, or lie at a site that is not open to you.">
        {back}
      </Empty>
    )
  }
  if (found.error) {
    return <ProblemNote error={found.error} title="The case could not be opened" onRetry={() => void found.refetch()} />
  }
  return <Outline rows={10} />
}

function Case({ item, isGone }: { item: ReadingItem; isGone: boolean }) {
  const { may } = useSession()
  const { user_pk: userPk } = useActor()
  const client = useQueryClient()
  const navigate = useNavigate()
  const narrow = useMediaQuery('(max-width: 1100px)') ?? false
  const phone = useMediaQuery('(max-width: 700px)') ?? false
  const [overlay, setOverlay] = useState(() => load('reading-overlay', false))
  const [shown, setShown] = useState(true)
  const [chosenWidth, setWidth] = useState(() => load('reading-width', WIDTH.usual))
  const priors = usePriors(item.study_pk)
  const modality = useMemo(() => load<Partial<ListFilter>>('reading-filter', {}).modality ?? EVERYTHING.modality, [])
  const openNext = useOpenNext(modality)

  // Opening takes the case and begins its report; the answer stays for as long as the case is open.
  const known = (opened: Entry): Entry => {
    // What was known of the report from an earlier look is old now.
    if (opened.report) client.setQueryData(['report', opened.report.report_pk], opened.report)
    return opened
  }
  const entryKey = ['reading-entry', item.study_pk]
  const entry = useQuery<Entry>({
    queryKey: entryKey,
    queryFn: async () => known(await enter(item, may('report.write'))),
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
    refetchOnReconnect: false,
  })
  const reportPk = entry.data?.report?.report_pk
  const renewReport = () => (reportPk === undefined ? undefined : void client.invalidateQueries({ queryKey: ['report', reportPk] }))
  useLiveEvents(
    ['report.changed', 'report.preliminary', 'report.final', 'report.addended'],
    (event) => (event.keys['report_pk'] === reportPk ? renewReport() : undefined),
    (early) => (early ? undefined : renewReport()),
  )

  const writing = entry.data?.mode === 'write'
  const [isSigned, setSigned] = useState(false)
  useEffect(() => {
    if (!writing || isSigned) return undefined
    // A claim runs out by itself; reading a long case must not lose it.
    const timer = setInterval(() => {
      claim(item).catch(() => undefined)
    }, PROLONG_MS)
    return () => clearInterval(timer)
  }, [writing, isSigned, item])

  const toggle = () => setShown((was) => !was)
  useKeys('Case', [
    { keys: 'q', label: 'Show or hide the report', run: toggle },
    // While a report is written a stray letter must not change the patient.
    { keys: writing && !isSigned ? 'Shift+N' : 'n', label: 'Next unread case', run: () => void openNext() },
    { keys: 'Shift+L', label: 'Back to the list', run: () => void navigate({ to: '/reading' }) },
  ])

  const giveBack = async () => {
    await release(item)
    toast('The case is given back.')
    await refreshCases(client)
    await navigate({ to: '/reading' })
  }
  // The editors take long to be made, and would hold up the image that is waited for.
  const [calm, setCalm] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setCalm(true), IMAGE_FIRST_MS)
    return () => clearTimeout(timer)
  }, [])
  const drawer = phone || (narrow && overlay)
  const width = narrow && !drawer ? Math.min(chosenWidth, NARROW_MOST) : chosenWidth
  const others = useMemo(() => (priors.data ?? []).map(viewerPrior), [priors.data])
  const study = useMemo(() => viewerStudy(item), [item])
  const [hangs, setHangs] = useState<ScreenState>({ hanging_protocol_pk: null, stage: 0 })
  const windows = useFirstWindow({ study_pk: item.study_pk, ...hangs })

  return (
    <div className={classes['screen']}>
      <h1 className="sr-only">Reading</h1>
      <PatientBar patient={barOf(item.patient)}>
        <div className={classes['barTools']}>
          <StartTogether studyPk={item.study_pk} priorPks={others.map((prior) => prior.study_pk)} />
          <Tooltip label={`Back to the list (${showKeys('Shift+L')})`}>
            <ActionIcon aria-label="Back to the list" onClick={() => void navigate({ to: '/reading' })}>
              <IconArrowLeft size={18} />
            </ActionIcon>
          </Tooltip>
          <Tooltip label={`Next unread case (${showKeys(writing && !isSigned ? 'Shift+N' : 'n')})`}>
            <ActionIcon aria-label="Next unread case" onClick={() => void openNext()}>
              <IconPlayerTrackNext size={18} />
            </ActionIcon>
          </Tooltip>
          {narrow && !phone ? (
            <Tooltip label={overlay ? 'Images and report side by side' : 'The report as a drawer over the images'}>
              <ActionIcon
                aria-label={overlay ? 'Images and report side by side' : 'The report as a drawer over the images'}
                onClick={() => {
                  save('reading-overlay', !overlay)
                  setOverlay(!overlay)
                }}
              >
                {overlay ? <IconColumns2 size={18} /> : <IconLayoutSidebarRight size={18} />}
              </ActionIcon>
            </Tooltip>
          ) : null}
          <Tooltip label={`${shown ? 'Hide' : 'Show'} the report (${showKeys('q')})`}>
            <ActionIcon aria-label={shown ? 'Hide the report' : 'Show the report'} aria-expanded={shown} onClick={toggle}>
              {shown ? <IconLayoutSidebarRightCollapse size={18} /> : <IconLayoutSidebarRightExpand size={18} />}
            </ActionIcon>
          </Tooltip>
        </div>
      </PatientBar>
      {isGone ? (
        <p className={classes['notice']} role="alert">
          <strong>These images hang on this order no more.</strong> Somebody took them off while you had them open: they may be of another patient. Do not sign
          before you have asked.
        </p>
      ) : null}
      <main className={classes['work']} data-drawer={drawer || undefined}>
        <div className={classes['images']}>
          {priors.isPending ? null : (
            <Images
              study={study}
              priors={others}
              canMark={may('report.write')}
              screens={{
                first: setHangs,
                open: () => {
                  if (!windows.open()) toast('The browser kept the window from opening. Allow windows of this site, and try again.')
                },
              }}
              onFirst={() => setCalm(true)}
              onKeyImage={() => void client.invalidateQueries({ queryKey: ['key-images', item.study_pk] })}
            />
          )}
        </div>
        {shown && !drawer ? (
          <Splitter
            width={width}
            onWidth={(next) => {
              setWidth(next)
              save('reading-width', next)
            }}
          />
        ) : null}
        {/* The panel stays mounted while hidden: what is being written is never thrown away. */}
        <aside className={classes['panel']} style={{ width }} aria-label="Report" hidden={!shown}>
          {entry.data && calm ? (
            <Panel
              item={item}
              entry={entry.data}
              priors={priors.data ?? []}
              modality={modality}
              userPk={userPk}
              onTakeOver={async (reason) => {
                client.setQueryData(entryKey, known(await takeOver(item, entry.data, reason)))
                await refreshCases(client)
              }}
              onGiveBack={giveBack}
              onNext={() => void openNext()}
              onFinal={() => {
                setSigned(true)
                void release(item)
                  .catch(() => undefined)
                  .then(() => refreshCases(client))
              }}
              meanwhile={<Waiting />}
            />
          ) : entry.error ? (
            <ProblemNote error={entry.error} title="The report could not be opened" onRetry={() => void entry.refetch()} />
          ) : (
            <Waiting />
          )}
        </aside>
      </main>
    </div>
  )
}

function Waiting() {
  return (
    <div className={classes['pad']}>
      <Outline rows={12} />
    </div>
  )
}

/** The edge between images and report: dragged, or moved by the arrow keys. */
function Splitter({ width, onWidth }: { width: number; onWidth: (width: number) => void }) {
  const from = useRef<{ x: number; width: number }>(undefined)
  const put = (next: number) => onWidth(Math.round(Math.max(WIDTH.least, Math.min(WIDTH.most, next))))
  return (
    // A separator that can be moved is a control (WAI-ARIA 1.2, window splitter).
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <div
      role="separator"
      aria-orientation="vertical"
      aria-label="Width of the report"
      aria-valuenow={width}
      aria-valuemin={WIDTH.least}
      aria-valuemax={WIDTH.most}
      // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
      tabIndex={0}
      className={classes['splitter']}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId)
        from.current = { x: event.clientX, width }
      }}
      onPointerMove={(event) => {
        if (from.current) put(from.current.width + from.current.x - event.clientX)
      }}
      onPointerUp={() => {
        from.current = undefined
      }}
      onDoubleClick={() => put(WIDTH.usual)}
      onKeyDown={(event) => {
        if (event.key === 'ArrowLeft') put(width + 20)
        if (event.key === 'ArrowRight') put(width - 20)
      }}
    />
  )
}
