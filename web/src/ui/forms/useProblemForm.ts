import { useForm, type UseFormInput, type UseFormReturnType } from '@mantine/form'
import { useEffect, useRef, useState } from 'react'
import { asProblem, type ApiProblem } from '@/lib/problem'

/** `steps[0].modality`, `steps.0.modality` and `body.steps.0.modality` are one field to the form. */
export function fieldPath(field: string): string {
  return field.replace(/^body\./, '').replace(/\[(\d+)\]/g, '.$1')
}

export interface ProblemForm<V extends object> {
  form: UseFormReturnType<V>
  /** What the server said that belongs to no field shown. */
  problem: ApiProblem | undefined
  busy: boolean
  /** For `<form onSubmit>`: checks, saves, and puts the server's reasons at their fields, the first one focused. */
  submit: (event?: React.SyntheticEvent<HTMLFormElement>) => void
  /** For saves that start elsewhere (keys, dialogs). */
  save: () => Promise<void>
  clear: () => void
}

/** A form whose refusals stand at the fields they are about. What was typed is never lost by a refusal. */
export function useProblemForm<V extends object>(
  options: UseFormInput<V>,
  onSave: (values: V) => Promise<void>,
): ProblemForm<V> {
  const form = useForm<V>(options)
  const [problem, setProblem] = useState<ApiProblem>()
  const [busy, setBusy] = useState(false)
  const element = useRef<HTMLFormElement | null>(null)
  const [refusals, setRefusals] = useState(0)
  useEffect(() => {
    if (refusals) element.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus()
  }, [refusals])

  const save = async () => {
    if (form.validate().hasErrors) return
    setBusy(true)
    setProblem(undefined)
    try {
      await onSave(form.getValues())
    } catch (error) {
      const refused = asProblem(error)
      const errors = Object.fromEntries(refused.errors.map(({ field, reason }) => [fieldPath(field), reason]))
      form.setErrors(errors)
      const known = new Set(Object.keys(form.getValues()))
      const elsewhere = refused.errors.filter(({ field }) => !known.has(fieldPath(field).split('.')[0] ?? ''))
      if (elsewhere.length || refused.errors.length === 0) setProblem(refused)
      setRefusals((count) => count + 1)
    } finally {
      setBusy(false)
    }
  }

  return {
    form,
    problem,
    busy,
    save,
    submit: (event) => {
      event?.preventDefault()
      if (event) element.current = event.currentTarget
      void save()
    },
    clear: () => {
      setProblem(undefined)
      form.clearErrors()
    },
  }
}
