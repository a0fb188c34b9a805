import { Button, TextInput } from '@mantine/core'
import { useMemo, useState } from 'react'
import { createRoot } from 'react-dom/client'
import {
  Age,
  ConfirmIrreversible,
  Facts,
  Laterality,
  PatientBar,
  PersonName,
  Priority,
  ProblemNote,
  ProgressNote,
  Screen,
  Section,
  ServiceClock,
  StateSign,
  toast,
  UiProvider,
  useLight,
  WorkList,
  type StateOf,
  type WorkColumn,
} from '../src/ui'
import { ApiProblem } from '../src/lib/problem'

/** The parts of the interface with invented data, to look at while changing them: `npm run dev`, then /stories/. */
interface Row {
  id: number
  name: string
  priority: string
  procedure: string
  side: string
  state: string
  since: number
  accession: string
}

const NAMES = [
  'Okafor^Ada^Grace^Dr.',
  'Müller-Lüdenscheidt^Hans Joachim Maria^^^Jr.',
  'Yamada^Tarou=山田^太郎=やまだ^たろう',
  'Иванова^Екатерина^Сергеевна',
  'الفارسي^فاطمة^بنت أحمد',
  'כהן^שרה',
  'Hong^Gildong=洪^吉洞=홍^길동',
  'O^X',
]
const STATES = ['SCHEDULED', 'ARRIVED', 'READY', 'STARTED', 'COMPLETED', 'DISCONTINUED', 'CANCELED']
const now = Date.now()

const make = (id: number): Row => ({
  id,
  name: NAMES[id % NAMES.length] ?? '',
  priority: id % 97 === 3 ? 'STAT' : id % 11 === 5 ? 'URGENT' : 'ROUTINE',
  procedure: ['CT head without contrast', 'MR knee', 'Chest 2 views', 'US abdomen complete'][id % 4] ?? '',
  side: ['', 'R', '', ''][id % 4] ?? '',
  state: STATES[id % STATES.length] ?? '',
  since: now - ((id * 7919) % 100_000) * 1000,
  accession: `MC26${String(100000 + id)}`,
})

const COLUMNS: WorkColumn<Row>[] = [
  { id: 'priority', label: 'Priority', value: (row) => row.priority, render: (row) => <Priority priority={row.priority} since={row.since} />, width: 130 },
  { id: 'name', label: 'Patient', value: (row) => row.name, render: (row) => <PersonName value={row.name} />, width: 180, grow: 2 },
  {
    id: 'procedure',
    label: 'Procedure',
    value: (row) => row.procedure,
    render: (row) => (
      <>
        {row.procedure} <Laterality value={row.side} />
      </>
    ),
    width: 180,
    grow: 2,
  },
  { id: 'state', label: 'State', value: (row) => row.state, render: (row) => <StateSign state={row.state} of="step" />, width: 130 },
  { id: 'accession', label: 'Accession', value: (row) => row.accession, width: 110 },
  { id: 'age', label: 'Age', value: (row) => -row.since, render: (row) => <Age since={row.since} />, width: 80, align: 'right' },
]

const SIGNS: [StateOf, string[]][] = [
  ['step', STATES],
  ['report', ['none', 'draft', 'preliminary', 'final', 'addendum', 'withdrawn']],
  ['claim', ['incomplete', 'ready', 'submitted', 'accepted', 'rejected', 'denied', 'paid']],
  ['queue', ['queued', 'sending', 'retrying', 'delivered', 'failed', 'held']],
  ['link', ['matched', 'unmatched', 'resolved']],
]

const keyOf = (row: Row) => String(row.id)

function Gallery() {
  const { light, choose } = useLight()
  const [rows, setRows] = useState(() => Array.from({ length: 10_000 }, (_, id) => make(id)))
  const [current, setCurrent] = useState<Row>()
  const [asking, setAsking] = useState(false)
  const problem = useMemo(
    () =>
      new ApiProblem(409, {
        title: 'The slot is taken',
        detail: 'CT 1 is booked from 09:30 to 09:50. Nothing was changed.',
        errors: [{ field: 'start', reason: 'overlaps another appointment' }],
        request_id: '5f0c9e1a7b3d2468',
      }),
    [],
  )
  return (
    <Screen
      title="Parts"
      note="invented data"
      actions={
        <>
          <Button variant="default" onClick={() => setRows([make(rows.length), ...rows])}>
            A row arrives
          </Button>
          <Button onClick={() => choose(light === 'desk' ? 'reading' : 'desk')}>The other light</Button>
        </>
      }
      patient={
        <PatientBar
          patient={{
            patient_pk: 1,
            patient_name: current?.name ?? NAMES[2] ?? '',
            patient_id: 'MC-004711',
            issuer_of_patient_id: 'MERCY',
            patient_sex: 'F',
            patient_birth_date: '1963-04-02',
            allergies: ['Iodinated contrast', 'Penicillin'],
            pregnancy_status: null,
            implants: ['Pacemaker'],
            special_needs: ['Interpreter: Japanese'],
          }}
        />
      }
      inspector={
        current ? (
          <>
            <Section title={current.procedure} aside={<StateSign state={current.state} of="step" />}>
              <Facts
                facts={[
                  ['Accession', current.accession],
                  ['Waiting', <Age key="age" since={current.since} />],
                  ['Clock', <ServiceClock key="clock" since={Date.now() - 1_500_000} allowed_s={3600} />],
                ]}
              />
            </Section>
            <Section title="Signs">
              {SIGNS.map(([of, states]) => (
                <div key={of} style={{ display: 'flex', flexWrap: 'wrap', gap: 6, marginBottom: 10 }}>
                  {states.map((state) => (
                    <StateSign key={state} state={state} of={of} />
                  ))}
                </div>
              ))}
            </Section>
            <Section title="Form">
              <TextInput label="Reason for the requested procedure" defaultValue="Fall from a ladder" />
              <TextInput label="Start" defaultValue="09:30" error="overlaps another appointment" mt={12} />
              <div style={{ display: 'flex', gap: 8, marginTop: 12 }}>
                <Button onClick={() => toast('Saved.')}>Save</Button>
                <Button variant="default" onClick={() => setAsking(true)}>
                  Cancel the order
                </Button>
              </div>
            </Section>
            <ProgressNote label="Sending to Mercy" done={128} total={400} onStop={() => undefined} />
            <ProblemNote error={problem} title="Not booked" safe="The first slot is still held for you." />
          </>
        ) : null
      }
    >
      <WorkList
        id="story"
        noun="steps"
        rows={rows}
        rowKey={keyOf}
        columns={COLUMNS}
        filters={[
          {
            id: 'state',
            label: 'State',
            options: STATES.slice(0, 4).map((state) => ({ value: state, label: state.charAt(0) + state.slice(1).toLowerCase() })),
            match: (row, value) => row.state === value,
          },
        ]}
        actions={[{ id: 'assign', label: 'Assign to me', keys: 'a', run: () => toast('Assigned.') }]}
        isUrgent={(row) => row.priority === 'STAT'}
        onCurrent={setCurrent}
        onOpen={(row) => toast(`Opened ${row.accession}`)}
        empty={{ title: 'Nothing waits' }}
      />
      <ConfirmIrreversible opened={asking} title="Cancel this order?" confirm="Cancel the order" onConfirm={() => undefined} onClose={() => setAsking(false)}>
        The appointment is given back and the hospital is told. A new order has to be placed to undo this.
      </ConfirmIrreversible>
    </Screen>
  )
}

const root = document.getElementById('root')
if (root)
  createRoot(root).render(
    <UiProvider>
      <Gallery />
    </UiProvider>,
  )
