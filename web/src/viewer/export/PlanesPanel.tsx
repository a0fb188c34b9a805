import { Button, Checkbox, Modal, SegmentedControl, Select, Switch } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { asProblem } from '@/lib/api'
import { saveFile } from '@/lib/csv'
import { Fault, ProblemText, toast } from '@/ui'
import { estimateOf } from './make'
import { PaperChoice, Pages, sheetsFor, type PaperChoices } from './PaperChoice'
import { identityOfPlanes, makePlaneObject, makePlanePicture, makePlanePrints, planePage, scopesOfPlanes, type PlanesSource } from './planes'
import { SheetsForPrinter, type PrintPicture } from './Sheets'
import { WithPatientData } from './WithPatientData'
import classes from './export.module.css'

export type PlanesPurpose = 'picture' | 'dicom' | 'print'

const PURPOSES: { value: PlanesPurpose; label: string }[] = [
  { value: 'picture', label: 'Picture' },
  { value: 'dicom', label: 'DICOM' },
  { value: 'print', label: 'Print' },
]
const ALL = 'all'

/** The way out for planes and the body as they are drawn now: one at a time as a file, all of them on paper. */
export default function PlanesPanel({ source, purpose: asked, onClose }: { source: PlanesSource; purpose: PlanesPurpose; onClose: () => void }) {
  const [purpose, setPurpose] = useState(asked)
  const [id, setId] = useState(asked === 'print' ? ALL : (source.choices[0]?.id ?? ''))
  const [form, setForm] = useState<'png' | 'jpeg'>('png')
  const [paper, setPaper] = useState<PaperChoices>({ paper: 'A4', lying: false, grid: '2x2', trueSize: false })
  const [identified, setIdentified] = useState(true)
  const [marks, setMarks] = useState(true)
  const [looked, setLooked] = useState(false)
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<unknown>(null)
  const [preview, setPreview] = useState<string | null>(null)
  const [sheets, setSheets] = useState<readonly PrintPicture[] | null>(null)
  const printing = purpose === 'print'
  const object = purpose === 'dicom'
  const choice = source.choices.find((one) => one.id === id) ?? (printing ? undefined : source.choices[0])
  const scopes = scopesOfPlanes(source)
  const estimate = useQuery({
    queryKey: ['export-estimate', identified, scopes],
    queryFn: ({ signal }) => estimateOf({ scopes, identified, uncompressed: false, burnedInAccepted: looked }, signal),
    enabled: !identified,
    staleTime: 30_000,
  })
  const burnedIn = identified ? 0 : (estimate.data?.burned_in ?? 0) + (estimate.data?.held_back ?? 0)
  const printed = choice ? [choice] : source.choices

  useEffect(() => {
    setFault(null)
    if (!choice || printing) return
    try {
      setPreview(planePage(source, choice, { identified, marks: marks && !object }, form === 'jpeg' && !object).toDataURL())
    } catch (error) {
      setPreview(null)
      setFault(error)
    }
  }, [source, choice, identified, marks, form, object, printing])

  // What is prepared for paper is of these planes, and of no others.
  useEffect(() => () => sheets?.forEach((sheet) => URL.revokeObjectURL(sheet.url)), [sheets])
  useEffect(() => {
    setSheets(null)
  }, [source, id, identified, marks, purpose])

  const leave = async () => {
    setBusy(true)
    setFault(null)
    try {
      if (printing) return setSheets(await makePlanePrints(source, printed, { identified, marks }, looked))
      if (!choice) return
      const file = object ? await makePlaneObject(source, choice, identified, looked) : await makePlanePicture(source, choice, form, { identified, marks }, looked)
      saveFile(file.name, file.content, file.content.type)
      toast(object ? 'The DICOM object is in your downloads.' : 'The picture is in your downloads.')
      onClose()
    } catch (error) {
      setFault(error)
    } finally {
      setBusy(false)
    }
  }

  const onPaper = { pictures: sheets ?? [], identity: identified ? identityOfPlanes(source) : null, ...paper }
  return (
    <Modal opened onClose={() => (busy ? undefined : onClose())} title="Export and print planes" size="min(1080px, 96vw)" centered>
      <div className={classes['panel']} data-testid="export">
        <div className={classes['choices']}>
          <SegmentedControl fullWidth data={PURPOSES} value={purpose} onChange={(value) => setPurpose(value as PlanesPurpose)} disabled={busy} aria-label="What is made" />
          <Select
            label="What"
            allowDeselect={false}
            value={choice?.id ?? ALL}
            onChange={(value) => setId(value ?? id)}
            data={[
              ...(printing && source.choices.length > 1 ? [{ value: ALL, label: `All of them (${source.choices.length})` }] : []),
              ...source.choices.map((one) => ({ value: one.id, label: one.title })),
            ]}
            disabled={busy}
          />
          {purpose === 'picture' ? (
            <Select
              label="File"
              allowDeselect={false}
              value={form}
              onChange={(value) => setForm(value === 'jpeg' ? 'jpeg' : 'png')}
              data={[
                { value: 'png', label: 'PNG, exact' },
                { value: 'jpeg', label: 'JPEG, lossy' },
              ]}
              disabled={busy}
            />
          ) : null}
          <WithPatientData
            identified={identified}
            onChoose={(next) => {
              setIdentified(next)
              setLooked(false)
            }}
            disabled={busy}
          />
          <p>{explanation(purpose, identified, choice?.slab !== null)}</p>
          {burnedIn ? (
            <div className={classes['warning']} role="alert">
              <p>The images may have writing in the pixels that names the patient.</p>
              <Checkbox label="I have looked: no name in them" checked={looked} onChange={(event) => setLooked(event.currentTarget.checked)} disabled={busy} />
            </div>
          ) : null}
          {printing ? (
            <PaperChoice
              choices={paper}
              onChoose={(change) => setPaper({ ...paper, ...change })}
              unscaled={printed.every((one) => one.slab === null) ? 'The body has no scale.' : undefined}
            />
          ) : null}
          {object || choice?.slab === null ? null : <Switch label="Measurements and text" checked={marks} onChange={(event) => setMarks(event.currentTarget.checked)} disabled={busy} />}
        </div>
        <div className={classes['look']}>
          {printing ? (
            sheets ? (
              <Pages {...onPaper} />
            ) : (
              <p>{sheetsFor(printed.length, paper.grid)}</p>
            )
          ) : preview ? (
            <img src={preview} alt="As it will leave" />
          ) : (
            <p>Drawing</p>
          )}
        </div>
      </div>
      {sheets ? <SheetsForPrinter {...onPaper} /> : null}
      <div className={classes['actions']}>
        <div>
          {fault || estimate.error ? (
            <Fault>
              <ProblemText problem={asProblem(fault ?? estimate.error)} />
            </Fault>
          ) : null}
        </div>
        <Button variant="default" onClick={onClose} disabled={busy}>
          Close
        </Button>
        {printing && sheets ? (
          <Button onClick={() => window.print()}>Print</Button>
        ) : (
          <Button onClick={() => void leave()} loading={busy} disabled={(!printing && !preview) || (burnedIn > 0 && !looked) || (!identified && !estimate.data)}>
            {printing ? 'Prepare sheets' : 'Export'}
          </Button>
        )}
      </div>
    </Modal>
  )
}

function explanation(purpose: PlanesPurpose, identified: boolean, plane: boolean): string {
  if (purpose === 'dicom') {
    const place = plane ? 'the place of the plane in the patient and ' : ''
    if (identified) return `An object of its own in the study (Secondary Capture), with ${place}the images that it was made of.`
    return `De-identified by PS3.15, with pseudonyms that no other export shares${plane ? '; the place of the plane stays' : ''}.`
  }
  if (!identified) return 'Nothing of the patient in picture, margin, file and its name. Orientation stays.'
  return purpose === 'print' ? 'Name, identifier, birth date and study date stand on each sheet.' : 'Name, identifier, birth date and study date stand in the margin, and in the name of the file.'
}
