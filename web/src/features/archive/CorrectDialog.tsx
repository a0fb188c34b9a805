import { Button, Chip, Group, Modal, Select, Textarea, TextInput } from '@mantine/core'
import { useDebouncedValue } from '@mantine/hooks'
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { http } from '@/lib/api'
import { asProblem } from '@/lib/problem'
import { Refusal } from '@/ui'
import { Changes } from './Changes'
import classes from './lifecycle.module.css'
import { imagesLine, type SeriesImage } from './images'
import { PersonPicker, StudyPicker, type FoundPatient } from './Pickers'
import type { Change, FoundStudy, Series, StudyDetail, Wish } from './types'
import { fieldWord } from './words'

export type Kind = Wish['kind']

const TITLE: Record<Kind, string> = {
  edit: 'Edit what it says',
  patient: 'Hang the study on another person',
  move: 'Move series to another study',
  split: 'Split series off into a new study',
  merge: 'Merge this study into another',
}
const CONFIRM: Record<Kind, string> = {
  edit: 'Correct it',
  patient: 'Hang it on this person',
  move: 'Move the series',
  split: 'Split them off',
  merge: 'Merge the studies',
}
const WHY: Record<Kind, readonly string[]> = {
  edit: ['Wrong side entered at the console', 'Wrong body part entered at the console', 'Typing mistake', 'As the order says'],
  patient: ['Wrong patient chosen at the console', 'Patient was not identified before'],
  move: ['Taken under the wrong patient', 'Taken under the wrong order', 'Patient changed, study not closed'],
  split: ['Two orders in one study', 'Two visits in one study'],
  merge: ['One examination sent as two studies', 'Repeated on another scanner'],
}
type ImagesKind = 'move' | 'split'
const OF_IMAGES: Record<ImagesKind, { title: string; confirm: string }> = {
  move: { title: 'Move images to another study', confirm: 'Move the images' },
  split: { title: 'Split images off into a new study', confirm: 'Split them off' },
}
const NO_IMAGES: readonly SeriesImage[] = []
const OF_STUDY = ['StudyDescription', 'AccessionNumber', 'StudyDate', 'StudyTime', 'StudyID', 'ReferringPhysicianName'] as const
const OF_SERIES = ['SeriesDescription', 'BodyPartExamined', 'Laterality', 'ProtocolName', 'SeriesNumber', 'StationName', 'InstitutionName'] as const
const OF_NEW = ['AccessionNumber', 'StudyDescription', 'StudyID'] as const
const SIDES = [
  { value: '', label: 'Not paired, or not said' },
  { value: 'R', label: 'Right' },
  { value: 'L', label: 'Left' },
]

/** What the fields say now; of several series only what they agree in. */
function presentOf(keywords: readonly string[], study: StudyDetail, series: readonly Series[]): Record<string, string> {
  const things: readonly Record<string, unknown>[] = series.length ? series : [study]
  const snake = (keyword: string) => keyword.replace(/(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])/g, '_').toLowerCase()
  return Object.fromEntries(
    keywords.map((keyword) => {
      const values = new Set(things.map((thing) => (thing[snake(keyword)] as string | number | null | undefined) ?? ''))
      const [only = ''] = values
      return [keyword, values.size === 1 ? plain(keyword, String(only)) : '']
    }),
  )
}

const plain = (keyword: string, value: string) =>
  keyword.endsWith('Date') ? value.replace(/-/g, '') : keyword.endsWith('Time') ? value.replace(/:/g, '').replace(/\..*/, '') : value

/** Corrects a study: what is to be changed, what that changes line by line, why, and then does it. */
export function CorrectDialog({
  kind,
  study,
  series,
  images = NO_IMAGES,
  onClose,
  onDone,
}: {
  kind: Kind
  study: StudyDetail
  series: readonly Series[]
  /** Of the one series: these alone move or are split off. */
  images?: readonly SeriesImage[]
  onClose: () => void
  onDone: () => Promise<void>
}) {
  const keywords: readonly string[] = kind === 'split' ? OF_NEW : kind === 'edit' ? (series.length ? OF_SERIES : OF_STUDY) : []
  const [present] = useState(() => presentOf(keywords, study, kind === 'edit' ? series : []))
  const [values, setValues] = useState(present)
  const [target, setTarget] = useState<FoundStudy>()
  const [person, setPerson] = useState<FoundPatient>()
  const [reason, setReason] = useState('')
  const attributes = Object.fromEntries(Object.entries(values).filter(([keyword, value]) => value.trim() !== present[keyword]))
  const ready =
    kind === 'edit' ? Object.keys(attributes).length > 0 : kind === 'patient' ? person !== undefined : kind === 'split' ? true : target !== undefined
  const wish: Wish = {
    kind,
    study_instance_uid: study.study_instance_uid,
    series_instance_uids: images.length || kind === 'merge' || kind === 'patient' ? [] : series.map((one) => one.series_instance_uid),
    sop_instance_uids: images.map((one) => one.sop_instance_uid),
    attributes,
    patient_pk: person?.bar.patient_pk ?? null,
    target_study_instance_uid: kind === 'move' || kind === 'merge' ? (target?.study_instance_uid ?? null) : null,
  }
  const [asked] = useDebouncedValue(JSON.stringify(wish), 250)
  const preview = useQuery({
    queryKey: ['correction-preview', asked],
    queryFn: ({ signal }) => http.post<Change[]>('/api/archive/corrections/preview', JSON.parse(asked), { signal }),
    enabled: ready && asked === JSON.stringify(wish),
    placeholderData: keepPreviousData,
    retry: false,
    gcTime: 0,
  })
  const saving = useMutation({
    mutationFn: () => http.post('/api/archive/corrections', { ...wish, reason: reason.trim() }),
    onSuccess: onDone,
  })
  const settled = asked === JSON.stringify(wish)
  const refused = settled && preview.error ? asProblem(preview.error) : undefined
  const faultOf = (keyword: string) => refused?.errors.find((error) => error.field === keyword)?.reason
  const elsewhere = refused && !refused.errors.some((error) => keywords.includes(error.field)) ? refused : undefined
  const changes = ready && !preview.error ? preview.data : undefined
  // What stands there may still be of what was asked before.
  const foretold = settled && !preview.isPlaceholderData && Boolean(changes?.length)
  return (
    <Modal opened onClose={onClose} title={images.length ? OF_IMAGES[kind as ImagesKind].title : TITLE[kind]} size={680}>
      <div className={classes['dialog']}>
        {series.length && kind !== 'merge' && kind !== 'patient' ? (
          <p className={classes['quiet']}>
            {series.map((one) => [one.series_number, one.series_description].filter((part) => part !== null).join(' ') || 'a series').join(', ')}
            {images.length ? ` · ${imagesLine(images)}` : ''}
          </p>
        ) : null}
        {kind === 'merge' ? (
          <p className={classes['quiet']}>All of this study hangs on the other one from then on; also what its scanner still sends.</p>
        ) : null}
        {kind === 'move' || kind === 'merge' ? (
          <StudyPicker except={study.study_pk} patientPk={study.patient_pk} value={target} onChange={setTarget} />
        ) : null}
        {kind === 'patient' ? <PersonPicker value={person} onChange={setPerson} /> : null}
        {keywords.length ? (
          <div className={classes['fields']}>
            {keywords.map((keyword) =>
              keyword === 'Laterality' ? (
                <Select
                  key={keyword}
                  label="Laterality"
                  data={SIDES}
                  value={values[keyword] ?? ''}
                  allowDeselect={false}
                  error={faultOf(keyword)}
                  onChange={(value) => setValues({ ...values, [keyword]: value ?? '' })}
                />
              ) : (
                <TextInput
                  key={keyword}
                  label={fieldWord(keyword)}
                  description={keyword.endsWith('Date') ? 'YYYYMMDD' : keyword.endsWith('Time') ? 'HHMMSS' : undefined}
                  value={values[keyword] ?? ''}
                  maxLength={324}
                  error={faultOf(keyword)}
                  onChange={(event) => setValues({ ...values, [keyword]: event.currentTarget.value })}
                />
              ),
            )}
          </div>
        ) : null}
        {elsewhere ? <Refusal problem={elsewhere} /> : null}
        {changes?.length ? (
          <div className={classes['preview']}>
            <h3>What leaves from then on</h3>
            <Changes changes={changes} label="Before and after" />
          </div>
        ) : changes ? (
          <p className={classes['quiet']}>It is like that already: nothing would change.</p>
        ) : (
          <p className={classes['quiet']}>Before anything is done, it stands here what will change. The images received stay as they are, and it can be taken back.</p>
        )}
        <Chip.Group value={WHY[kind].includes(reason) ? reason : ''} onChange={(value) => setReason(value)}>
          <Group gap={8}>
            {WHY[kind].map((one) => (
              <Chip key={one} value={one} variant="outline">
                {one}
              </Chip>
            ))}
          </Group>
        </Chip.Group>
        <Textarea
          label="Reason"
          description="It stays in the record."
          autosize
          minRows={1}
          maxLength={200}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
        />
        {saving.error ? <Refusal problem={asProblem(saving.error)} /> : null}
        <div className={classes['foot']}>
          <Button variant="default" onClick={onClose}>
            Go back
          </Button>
          <Button disabled={!foretold || !reason.trim()} loading={saving.isPending} onClick={() => saving.mutate()}>
            {images.length ? OF_IMAGES[kind as ImagesKind].confirm : CONFIRM[kind]}
          </Button>
        </div>
      </div>
    </Modal>
  )
}
