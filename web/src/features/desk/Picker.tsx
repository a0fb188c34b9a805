import { CloseButton, Combobox, Loader, TextInput, useCombobox } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useLayoutEffect, useRef, useState, type ReactNode, type Ref } from 'react'
import { asProblem } from '@/lib/problem'
import classes from './desk.module.css'

/** One of many, found by typing. With `value` the choice stands in the field; without, the field empties for the next. */
export function Picker<T>({
  id,
  label,
  description,
  placeholder,
  value,
  error,
  disabled,
  minCharacters = 0,
  search,
  keyOf,
  line,
  onPick,
  onClear,
  onText,
  none,
  autoFocus,
  ref,
}: {
  /** Names the question in the cache. */
  id: string
  label: string
  description?: ReactNode
  placeholder?: string
  value?: string
  error?: ReactNode
  disabled?: boolean
  minCharacters?: number
  search: (typed: string, signal: AbortSignal) => Promise<readonly T[]>
  keyOf: (one: T) => string
  line: (one: T) => ReactNode
  onPick: (one: T) => void
  onClear?: () => void
  /** Takes what was typed as it is, where it may be something that is not in the list. */
  onText?: (typed: string) => void
  none: string
  autoFocus?: boolean
  ref?: Ref<HTMLInputElement>
}) {
  const [text, setText] = useState('')
  const [touched, setTouched] = useState(false)
  const typed = text.trim()
  const [settled] = useDebouncedValue(typed, 140)
  const combobox = useCombobox({ onDropdownClose: () => combobox.resetSelectedOption() })
  const query = useQuery({
    queryKey: ['picker', id, settled],
    queryFn: ({ signal }) => search(settled, signal),
    enabled: touched && settled.length >= minCharacters,
    placeholderData: keepPreviousData,
    staleTime: 60_000,
  })
  const ready = settled === typed && !query.isPlaceholderData
  const items = ready && typed.length >= minCharacters ? query.data : undefined
  // Before anything is painted: what Enter takes is what the eye sees first.
  const store = useRef(combobox)
  useLayoutEffect(() => {
    store.current = combobox
  })
  useLayoutEffect(() => {
    if (items?.length) store.current.selectFirstOption()
  }, [items])
  const shown = value && !text ? value : text

  return (
    <Combobox
      store={combobox}
      onOptionSubmit={(key) => {
        const one = items?.find((candidate) => keyOf(candidate) === key)
        if (one) onPick(one)
        else if (key === '=') onText?.(typed)
        setText('')
        combobox.closeDropdown()
      }}
      position="bottom-start"
      shadow="md"
      transitionProps={{ duration: 0 }}
    >
      <Combobox.Target>
        <TextInput
          ref={ref}
          label={label}
          description={description}
          placeholder={placeholder}
          error={error}
          disabled={disabled}
          autoFocus={autoFocus}
          autoComplete="off"
          spellCheck={false}
          value={shown}
          rightSection={
            touched && query.isFetching ? (
              <Loader size={14} />
            ) : value && onClear && !disabled ? (
              <CloseButton size="sm" aria-label={`Clear: ${label}`} onClick={onClear} tabIndex={-1} />
            ) : null
          }
          onFocus={(event) => {
            setTouched(true)
            event.currentTarget.select()
            if (!value) combobox.openDropdown()
          }}
          onClick={() => combobox.openDropdown()}
          onBlur={() => {
            combobox.closeDropdown()
            if (typed && onText) onText(typed)
            setText('')
          }}
          onChange={(event) => {
            setText(event.currentTarget.value)
            combobox.openDropdown()
            combobox.resetSelectedOption()
          }}
        />
      </Combobox.Target>
      <Combobox.Dropdown hidden={typed.length < minCharacters}>
        <Combobox.Options mah={320} style={{ overflowY: 'auto' }}>
          {items?.map((one) => (
            <Combobox.Option key={keyOf(one)} value={keyOf(one)} className={classes['option']}>
              {line(one)}
            </Combobox.Option>
          ))}
          {onText && typed && ready ? (
            <Combobox.Option value="=" className={classes['option']}>
              <span className={classes['offer']}>Take “{typed}” as it stands</span>
            </Combobox.Option>
          ) : null}
          {query.error ? <Combobox.Empty>{asProblem(query.error).detail}</Combobox.Empty> : null}
          {items && !items.length && !onText ? <Combobox.Empty>{none}</Combobox.Empty> : null}
          {!items && !query.error ? <Combobox.Empty>Looking</Combobox.Empty> : null}
        </Combobox.Options>
      </Combobox.Dropdown>
    </Combobox>
  )
}
