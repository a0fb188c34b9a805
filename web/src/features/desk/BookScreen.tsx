import { Button } from '@mantine/core'
import { IconUserPlus, IconUserQuestion } from '@tabler/icons-react'
import { useLocation, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { Outline, PatientBar, ProblemNote, Screen } from '@/ui'
import { useRecord } from './data'
import classes from './desk.module.css'
import { OrderForm, type Wish } from './OrderForm'
import { PatientFinder } from './PatientFinder'
import { RegisterForm, UnknownForm } from './RegisterForm'
import { barOf } from './types'

interface BookSearch {
  /** A place on the day board: scanner and time. */
  resource?: number
  at?: string
  /** The patient is here and wants it now. */
  now?: boolean
  register?: boolean | 'unknown'
}

/** One flow from "who" to "when": patient, procedure, what else the order says, and a slot, by typing. */
export default function BookScreen() {
  const { patientPk } = useParams({ strict: false }) as { patientPk?: string }
  const search = useSearch({ strict: false }) as BookSearch
  const typedBefore = useLocation({ select: (location) => (location.state as { typed?: string }).typed })
  const navigate = useNavigate()
  const pk = patientPk ? Number(patientPk) : undefined
  const record = useRecord(pk)
  const [registering, setRegistering] = useState<string | 'unknown!' | undefined>(
    () => (search.register === 'unknown' ? 'unknown!' : (typedBefore ?? (search.register ? '' : undefined))),
  )
  const [round, setRound] = useState(0)
  const wish: Wish = { resource: search.resource, at: search.at, now: search.now }
  const choose = (chosen: number) => {
    setRegistering(undefined)
    const rest = { ...search, register: undefined }
    void navigate({ to: `/desk/book/${chosen}`, search: rest as never })
  }

  if (pk !== undefined)
    return (
      <Screen
        title="Book"
        patient={record.data ? <PatientBar patient={barOf(record.data.bar)} /> : null}
        actions={
          <Button variant="default" onClick={() => void navigate({ to: '/desk/book', search: search as never })}>
            Another patient
          </Button>
        }
      >
        {record.error ? <ProblemNote error={record.error} onRetry={() => void record.refetch()} /> : null}
        {record.isPending ? <Outline rows={10} /> : null}
        {record.data ? (
          <OrderForm
            key={`${record.data.patient.patient_pk} ${round}`}
            record={record.data}
            wish={round ? {} : wish}
            onAgain={() => setRound(round + 1)}
            onNext={() => void navigate({ to: '/desk/book' })}
          />
        ) : null}
      </Screen>
    )

  return (
    <Screen title={registering === 'unknown!' ? 'Emergency registration' : registering !== undefined ? 'Register a patient' : search.now ? 'Walk-in' : 'Book'} body="page">
      {registering === 'unknown!' ? (
        <UnknownForm onRegistered={choose} onCancel={() => setRegistering(undefined)} />
      ) : registering !== undefined ? (
        <RegisterForm typed={registering} onRegistered={choose} onIsThis={choose} onCancel={() => setRegistering(undefined)} />
      ) : (
        <div className={classes['who']}>
          <h2>Who is it for?</h2>
          <PatientFinder
            onFound={(found) => choose(found.bar.patient_pk)}
            onRegister={setRegistering}
            onUnknown={() => setRegistering('unknown!')}
          />
          <div className={classes['whoElse']}>
            <Button variant="default" leftSection={<IconUserPlus size={16} />} onClick={() => setRegistering('')}>
              Register a new patient
            </Button>
            <Button variant="default" leftSection={<IconUserQuestion size={16} />} onClick={() => setRegistering('unknown!')}>
              Emergency: not identified
            </Button>
          </div>
        </div>
      )}
    </Screen>
  )
}
