import { TextInput } from '@mantine/core'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { http, type Answer } from '@/lib/api'
import { formatPersonName } from '@/lib/personname'
import { DateTime, DicomDate, Empty, Facts, Form, PersonName, Section, toast, useProblemForm, type WorkColumn, WorkList } from '@/ui'
import classes from './reconciliation.module.css'

type Page = Answer<'/api/reconciliation/performed-steps', 'get'>
type Reported = Page['items'][number]

const KEY = ['unscheduled-work']
const STATUS: Readonly<Record<string, string>> = {
  'IN PROGRESS': 'In progress',
  COMPLETED: 'Completed',
  DISCONTINUED: 'Discontinued',
}
const COLUMNS: readonly WorkColumn<Reported>[] = [
  {
    id: 'started_at',
    label: 'Begun',
    value: (one) => new Date(one.started_at),
    render: (one) => <DateTime value={one.started_at} />,
    width: 116,
  },
  {
    id: 'patient_name',
    label: 'The scanner says',
    value: (one) => formatPersonName(one.patient_name ?? ''),
    render: (one) => <PersonName value={one.patient_name} first="alphabetic" />,
    width: 110,
    grow: 2,
  },
  { id: 'patient_id', label: 'Patient ID', value: (one) => one.patient_id, width: 100 },
  { id: 'modality', label: 'Modality', value: (one) => one.modality, width: 74 },
  { id: 'station', label: 'Station', value: (one) => one.performed_station_ae_title, width: 120 },
  { id: 'status', label: 'State', value: (one) => STATUS[one.performed_procedure_step_status] ?? one.performed_procedure_step_status, width: 96 },
  { id: 'reason', label: 'Why', value: (one) => one.unscheduled_reason, width: 160, grow: 2 },
]
const keyOf = (one: Reported) => String(one.performed_procedure_step_pk)

/** Work that scanners reported and that hangs on no order, until a person says of which it is. */
export function UnscheduledWork() {
  const [currentPk, setCurrentPk] = useState<number>()
  const waiting = useQuery({
    queryKey: KEY,
    queryFn: ({ signal }) => http.get<Page>('/api/reconciliation/performed-steps', { signal }),
    refetchInterval: 60_000,
  })
  const rows = waiting.data?.items
  const current = rows?.find((one) => one.performed_procedure_step_pk === currentPk) ?? rows?.[0]
  return (
    <div className={classes['split']} data-wide>
      <div className={classes['queue']}>
        <WorkList
          id="unscheduled-work"
          noun="reports of scanners"
          rows={rows}
          rowKey={keyOf}
          columns={COLUMNS}
          onCurrent={(one) => one && setCurrentPk(one.performed_procedure_step_pk)}
          error={waiting.error}
          onRetry={() => void waiting.refetch()}
          empty={{ title: 'Nothing waits', hint: 'All work that scanners reported hangs on an order.' }}
        />
      </div>
      <div className={classes['detail']}>
        {current ? (
          <One key={current.performed_procedure_step_pk} work={current} />
        ) : rows ? (
          <Empty title="All work hangs on an order" hint="What a scanner reports comes here when it names no step of the worklist, or another patient." />
        ) : null}
      </div>
    </div>
  )
}

function One({ work }: { work: Reported }) {
  const client = useQueryClient()
  const form = useProblemForm<{ accession_number: string; reason: string }>(
    {
      initialValues: { accession_number: work.accession_number ?? '', reason: '' },
      validate: {
        accession_number: (value) => (value.trim() ? null : 'Which order?'),
        reason: (value) => (value.trim() ? null : 'How do you know?'),
      },
    },
    async (values) => {
      await http.post(`/api/reconciliation/performed-steps/${work.performed_procedure_step_pk}`, values)
      await client.invalidateQueries({ queryKey: KEY })
      toast('The work hangs on the order.')
    },
  )
  return (
    <>
      <Section title={work.performed_procedure_step_description ?? 'Work without a description'}>
        <Facts
          facts={[
            ['Patient', <PersonName key="name" value={work.patient_name} />],
            ['Patient ID', work.patient_id],
            ['Born', work.patient_birth_date ? <DicomDate key="born" value={work.patient_birth_date} /> : null],
            ['Sex', work.patient_sex],
            ['Accession', work.accession_number],
            ['Begun', <DateTime key="begun" value={work.started_at} />],
            ['Ended', work.ended_at ? <DateTime key="ended" value={work.ended_at} /> : null],
            ['Station', work.performed_station_ae_title],
            ['Why it waits', work.unscheduled_reason],
          ]}
        />
      </Section>
      <Section title="Hang it on an order">
        <Form of={form} submit="Hang it on this order">
          <TextInput label="Accession number" maxLength={16} {...form.form.getInputProps('accession_number')} />
          <TextInput label="Reason" maxLength={200} {...form.form.getInputProps('reason')} />
        </Form>
        <p className={classes['sub']}>The order’s steps on this kind of scanner move as far as the work has gone. Its images are compared by themselves.</p>
      </Section>
    </>
  )
}
