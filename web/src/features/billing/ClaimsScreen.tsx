import { Button } from '@mantine/core'
import { IconFileDownload } from '@tabler/icons-react'
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { useMemo, useState } from 'react'
import { http, useLive, useSession, type Page } from '@/lib/api'
import {
  DicomDate,
  PatientBar,
  PersonName,
  Screen,
  StateSign,
  toast,
  toastProblem,
  WorkList,
  type WorkAction,
  type WorkColumn,
} from '@/ui'
import classes from './billing.module.css'
import { ClaimInspector } from './ClaimInspector'
import { download } from './files'
import { daysBetween, formatMoney } from './money'
import { keyOfChosen, Queues, type Chosen } from './Queues'
import { COMPONENT, NEEDS, type BatchMade, type Claim, type ClaimRow, type Queue } from './types'

const DEADLINE_NEAR_DAYS = 14
/** What was handed in has kept its day. */
const STILL_HERE = new Set(['draft', 'held', 'ready', 'batched'])
const daysLeft = (row: ClaimRow) => -daysBetween(row.file_by)
/** What the payer has already is replaced or taken back (CLM05-3). */
const AT_PAYER: Record<string, string> = { '7': 'Replaces', '8': 'Void' }
const needsOf = (row: ClaimRow) =>
  [AT_PAYER[row.frequency_code], ...row.needs.map((need) => NEEDS[need] ?? need)].filter(Boolean).join(', ')

const COLUMNS: readonly WorkColumn<ClaimRow>[] = [
  {
    id: 'patient',
    label: 'Patient',
    value: (row) => `${row.patient.patient_name} ${row.patient.patient_id ?? ''}`,
    render: (row) => <PersonName value={row.patient.patient_name} first="alphabetic" />,
    width: 136,
    grow: 2,
  },
  { id: 'procedures', label: 'Procedures', value: (row) => row.procedures.join('; '), width: 140, grow: 2 },
  {
    id: 'component',
    label: 'Part',
    value: (row) => COMPONENT[row.component] ?? row.component,
    render: (row) => (row.component === 'global' ? 'Global' : row.component),
    width: 62,
  },
  { id: 'needs', label: 'Needs', value: needsOf, width: 104, grow: 2 },
  { id: 'payer_name', label: 'Payer', value: (row) => row.payer_name, width: 110, grow: 1, hidden: true },
  {
    id: 'service_date',
    label: 'Service',
    value: (row) => row.service_date,
    render: (row) => <DicomDate value={row.service_date} />,
    width: 94,
    hidden: true,
  },
  {
    id: 'age',
    label: 'Age',
    value: (row) => daysBetween(row.service_date),
    render: (row) => `${daysBetween(row.service_date)} d`,
    width: 54,
    align: 'right',
  },
  {
    id: 'file_by',
    label: 'File in',
    value: daysLeft,
    render: (row) => (STILL_HERE.has(row.state) && row.frequency_code !== '8' ? <Deadline days={daysLeft(row)} /> : null),
    width: 82,
    align: 'right',
  },
  {
    id: 'total',
    label: 'Amount',
    value: (row) => row.total_minor,
    render: (row) => formatMoney(row.total_minor, row.currency),
    width: 86,
    align: 'right',
  },
  {
    id: 'state',
    label: 'State',
    value: (row) => row.state,
    render: (row) => <StateSign state={row.state} of="claim" />,
    width: 130,
    hidden: true,
  },
  { id: 'claim_number', label: 'Claim', value: (row) => row.claim_number, width: 96, hidden: true },
  { id: 'accession_number', label: 'Accession', value: (row) => row.accession_number, width: 120, hidden: true },
]

const keyOf = (row: ClaimRow) => String(row.claim_pk)

function Deadline({ days }: { days: number }) {
  if (days < 0) return <strong className={classes['over']}>{-days} d over</strong>
  return <span className={days <= DEADLINE_NEAR_DAYS ? classes['near'] : undefined}>{days} d</span>
}

const EMPTY: Record<string, { title: string; hint: string }> = {
  draft: { title: 'Nothing to mend', hint: 'Claims that lack something stand here, with the field that mends them.' },
  ready: { title: 'No claim is ready', hint: 'A claim is ready once nothing is missing. Mend what stands in the queues above.' },
  held: { title: 'No claim waits for a report', hint: 'Readings are charged once their report is final.' },
  batched: { title: 'No file waits to be handed in', hint: 'Make a file of the ready claims.' },
  sent: { title: 'Nothing was handed in yet', hint: 'Claims stand here once their file was handed in.' },
}

/** The biller's home: claims in queues by what they need, mended beside the list, and put into a file. */
export default function ClaimsScreen() {
  const { may } = useSession()
  const client = useQueryClient()
  const navigate = useNavigate()
  const [picked, setPicked] = useState<Chosen>()
  const [currentPk, setCurrentPk] = useState<number>()
  const queues = useQuery({ queryKey: ['claims', 'queues'], queryFn: () => http.get<Page<Queue>>('/api/billing/queues') })
  const items = queues.data?.items ?? []
  const ready = items.find((one) => one.state === 'ready' && one.need === null)
  const first: Chosen = items.some((one) => one.state === 'draft') || !ready ? { state: 'draft' } : { state: 'ready' }
  const chosen = picked ?? first
  const list = useInfiniteQuery({
    queryKey: ['claims', 'list', keyOfChosen(chosen)],
    queryFn: ({ pageParam }) =>
      http.get<Page<ClaimRow>>('/api/billing/claims', {
        query: { state: chosen.state, need: chosen.need, cursor: pageParam, limit: 200 },
      }),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
    enabled: queues.data !== undefined,
  })
  const rows = useMemo(() => list.data?.pages.flatMap((page) => page.items), [list.data])
  const claim = useQuery({
    queryKey: ['claims', 'one', currentPk],
    queryFn: () => http.get<Claim>(`/api/billing/claims/${currentPk}`),
    enabled: currentPk !== undefined,
  })
  useLive(['claim.changed', 'claim_batch.changed'], [['claims']])
  const mayWrite = may('billing.write')
  const make = useMutation({
    mutationFn: (claimPks: number[] | null) => http.post<BatchMade>('/api/billing/batches', { claim_pks: claimPks }),
    onSuccess: async ({ batch, refused }) => {
      await client.invalidateQueries({ queryKey: ['claims'] })
      if (refused.length) toast(`${refused.length} claims went back to be mended: ${refused[0]?.reason}`)
      if (!batch) return
      await download(batch.claim_batch_pk)
      toast(`File ${batch.interchange_control_number} holds ${batch.claim_count} claims over ${formatMoney(batch.total_minor)}.`)
      await navigate({ to: '/billing/files' })
    },
    onError: (error) => toastProblem(error, 'No file was made'),
  })
  const actions: WorkAction<ClaimRow>[] = mayWrite
    ? [
        {
          id: 'file',
          label: 'Make a file of these',
          keys: 'f',
          refuse: (chosenRows) => (chosenRows.every((row) => row.state === 'ready') ? undefined : 'Only ready claims go into a file'),
          run: async (chosenRows) => {
            await make.mutateAsync(chosenRows.map((row) => row.claim_pk)).catch(() => undefined)
          },
        },
      ]
    : []
  const shown = currentPk !== undefined && claim.data?.claim_pk === currentPk ? claim.data : undefined
  const patient = shown?.patient

  return (
    <Screen
      title="Claims"
      note={chosen.need ? `lacking: ${NEEDS[chosen.need]?.toLowerCase()}` : undefined}
      actions={
        mayWrite ? (
          <Button
            leftSection={<IconFileDownload size={16} />}
            disabled={!ready?.count}
            loading={make.isPending}
            onClick={() => make.mutate(null)}
          >
            {ready?.count ? `Make the 837P file: ${ready.count} ready, ${formatMoney(ready.total_minor)}` : 'Make the 837P file'}
          </Button>
        ) : null
      }
      patient={
        patient ? (
          <PatientBar
            patient={{
              ...patient,
              patient_id: patient.patient_id ?? '',
              allergies: undefined,
              pregnancy_status: null,
              implants: null,
              special_needs: null,
            }}
          />
        ) : null
      }
      inspectorLabel="The chosen claim"
      inspectorHint="Choose a claim: what it lacks can be mended here."
      inspector={
        currentPk === undefined ? null : (
          <ClaimInspector key={currentPk} claim={shown} error={claim.error} onRetry={() => void claim.refetch()} mayWrite={mayWrite} />
        )
      }
    >
      <div className={classes['split']}>
        <Queues queues={queues.data?.items} chosen={chosen} onChoose={setPicked} />
        <div className={classes['listArea']}>
          <WorkList
            key={keyOfChosen(chosen)}
            id="claims"
            noun="claims"
            rows={rows}
            rowKey={keyOf}
            columns={COLUMNS}
            actions={actions}
            defaultSort={{ column: 'age', descending: true }}
            onCurrent={(row) => setCurrentPk(row?.claim_pk)}
            onMore={list.hasNextPage ? () => void list.fetchNextPage() : undefined}
            isUrgent={(row) => daysLeft(row) <= DEADLINE_NEAR_DAYS && ['draft', 'held', 'ready', 'batched'].includes(row.state)}
            error={list.error ?? queues.error}
            onRetry={() => void list.refetch()}
            searchPlaceholder="Patient, procedure, payer, claim"
            compact={(row) => (
              <>
                <div>
                  <PersonName value={row.patient.patient_name} first="alphabetic" /> · {formatMoney(row.total_minor, row.currency)}
                </div>
                <div>{needsOf(row) || row.procedures.join('; ')}</div>
              </>
            )}
            empty={EMPTY[chosen.state ?? ''] ?? { title: 'No claims here', hint: 'Choose another queue.' }}
          />
        </div>
      </div>
    </Screen>
  )
}
