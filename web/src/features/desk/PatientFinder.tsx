import { Combobox, Loader, TextInput, useCombobox } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { IconSearch, IconUserPlus, IconUserQuestion } from '@tabler/icons-react'
import { useQuery } from '@tanstack/react-query'
import { useLayoutEffect, useRef, useState } from 'react'
import { http, type Page } from '@/lib/api'
import { asProblem } from '@/lib/problem'
import { formatDicomDate, formatPersonAge } from '@/lib/time'
import { PersonName } from '@/ui'
import classes from './desk.module.css'
import type { FoundPatient } from './types'

const SEX: Record<string, string> = { M: 'male', F: 'female', O: 'other' }

/** Who a line of a search is: what tells two people of one name apart. */
export function PatientLine({ found }: { found: FoundPatient }) {
  const { bar } = found
  return (
    <span className={classes['person']}>
      <span>
        <PersonName value={bar.patient_name} />
        {bar.deceased ? <em>deceased</em> : null}
      </span>
      <span>
        {[
          SEX[bar.patient_sex ?? ''] ?? 'sex unknown',
          bar.patient_birth_date ? `${formatPersonAge(bar.patient_birth_date)}, born ${formatDicomDate(bar.patient_birth_date)}` : 'birth date unknown',
          [bar.patient_id, bar.issuer_of_patient_id].filter(Boolean).join(' '),
          found.city,
        ]
          .filter(Boolean)
          .join(' · ')}
      </span>
    </span>
  )
}

/** Finds a patient while somebody types. What is chosen by Enter always belongs to the text as it stands. */
export function PatientFinder({
  onFound,
  onRegister,
  onUnknown,
  label = 'Find a patient',
  field,
}: {
  onFound: (found: FoundPatient) => void
  onRegister?: (typed: string) => void
  onUnknown?: () => void
  label?: string
  /** For a key that comes back here. */
  field?: React.RefObject<HTMLInputElement | null>
}) {
  const [text, setText] = useState('')
  const own = useRef<HTMLInputElement>(null)
  const typed = text.trim()
  const [settled] = useDebouncedValue(typed, 140)
  const combobox = useCombobox()
  const search = useQuery({
    queryKey: ['patients', 'find', settled],
    queryFn: ({ signal }) => http.post<Page<FoundPatient>>('/api/patients/find', { text: settled, limit: 9 }, { signal }),
    enabled: settled.length >= 2,
    gcTime: 30_000,
  })
  const ready = settled === typed && typed.length >= 2
  const found = ready ? search.data?.items : undefined
  // Before anything is painted: what Enter takes is what the eye sees first.
  const store = useRef(combobox)
  useLayoutEffect(() => {
    store.current = combobox
  })
  useLayoutEffect(() => {
    if (found?.length) store.current.selectFirstOption()
    else store.current.resetSelectedOption()
  }, [found])

  const choose = (value: string) => {
    if (value === 'register') onRegister?.(typed)
    else if (value === 'unknown') onUnknown?.()
    else {
      const one = found?.find((candidate) => String(candidate.bar.patient_pk) === value)
      if (!one) return
      onFound(one)
    }
    setText('')
    combobox.closeDropdown()
  }

  return (
    <Combobox store={combobox} onOptionSubmit={choose} withinPortal shadow="md" position="bottom-start" width={480} transitionProps={{ duration: 0 }}>
      <Combobox.Target>
        <TextInput
          ref={field ?? own}
          className={classes['finder']}
          aria-label={label}
          placeholder="Name, identifier, birth date or telephone"
          leftSection={<IconSearch size={17} aria-hidden />}
          rightSection={ready && search.isFetching ? <Loader size={14} /> : null}
          value={text}
          autoFocus
          autoComplete="off"
          spellCheck={false}
          maxLength={200}
          onChange={(event) => {
            setText(event.currentTarget.value)
            combobox.openDropdown()
            combobox.resetSelectedOption()
          }}
          onFocus={() => typed && combobox.openDropdown()}
          onBlur={() => combobox.closeDropdown()}
          onKeyDown={(event) => {
            if (event.key !== 'Escape') return
            if (text) setText('')
            else event.currentTarget.blur()
          }}
        />
      </Combobox.Target>
      <Combobox.Dropdown hidden={typed.length < 2}>
        <Combobox.Options mah={460} style={{ overflowY: 'auto' }}>
          {found?.map((one) => (
            <Combobox.Option key={one.bar.patient_pk} value={String(one.bar.patient_pk)} className={classes['option']}>
              <PatientLine found={one} />
            </Combobox.Option>
          ))}
          {search.error && ready ? <Combobox.Empty>{asProblem(search.error).detail}</Combobox.Empty> : null}
          {ready && found && !found.length ? <Combobox.Empty>No patient is found by this.</Combobox.Empty> : null}
          {!ready || (!found && !search.error) ? <Combobox.Empty>Looking</Combobox.Empty> : null}
          {onRegister && ready ? (
            <Combobox.Option value="register" className={classes['option']}>
              <span className={classes['offer']}>
                <IconUserPlus size={16} aria-hidden /> Register a new patient with this
              </span>
            </Combobox.Option>
          ) : null}
          {onUnknown && ready ? (
            <Combobox.Option value="unknown" className={classes['option']}>
              <span className={classes['offer']}>
                <IconUserQuestion size={16} aria-hidden /> Emergency: not identified
              </span>
            </Combobox.Option>
          ) : null}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  )
}
