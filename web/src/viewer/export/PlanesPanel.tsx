import { Button, Checkbox, Modal, Select, Switch } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { asProblem } from '@/lib/api'
import { saveFile } from '@/lib/csv'
import { Fault, ProblemText, toast } from '@/ui'
import { estimateOf } from './make'
import { makePlaneObject, makePlanePicture, planePage, scopesOfPlanes, type PlanesSource } from './planes'
import { WithPatientData } from './WithPatientData'
import classes from './export.module.css'

type Form = 'png' | 'jpeg' | 'dicom'

/** The way out for planes and the body, one at a time, as they are drawn now. */
export default function PlanesPanel({ source, onClose }: { source: PlanesSource; onClose: () => void }) {
  const [id, setId] = useState(source.choices[0]?.id ?? '')
  const [form, setForm] = useState<Form>('png')
  const [identified, setIdentified] = useState(true)
  const [marks, setMarks] = useState(true)
  const [looked, setLooked] = useState(false)
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<unknown>(null)
  const [preview, setPreview] = useState<string | null>(null)
  const choice = source.choices.find((one) => one.id === id)
  const scopes = scopesOfPlanes(source)
  const estimate = useQuery({
    queryKey: ['export-estimate', identified, scopes],
    queryFn: ({ signal }) => estimateOf({ scopes, identified, uncompressed: false, burnedInAccepted: looked }, signal),
    enabled: !identified,
    staleTime: 30_000,
  })
  const burnedIn = identified ? 0 : (estimate.data?.burned_in ?? 0) + (estimate.data?.held_back ?? 0)
  const object = form === 'dicom'

  useEffect(() => {
    if (!choice) return
    setFault(null)
    try {
      setPreview(planePage(source, choice, { identified, marks: marks && !object }, form === 'jpeg').toDataURL())
    } catch (error) {
      setPreview(null)
      setFault(error)
    }
  }, [source, choice, identified, marks, form, object])

  const leave = async () => {
    if (!choice) return
    setBusy(true)
    setFault(null)
    try {
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

  return (
    <Modal opened onClose={() => (busy ? undefined : onClose())} title="Export a plane" size="min(1080px, 96vw)" centered>
      <div className={classes['panel']} data-testid="export">
        <div className={classes['choices']}>
          <Select
            label="What"
            allowDeselect={false}
            value={id}
            onChange={(value) => {
              setId(value ?? id)
              if (source.choices.find((one) => one.id === value)?.slab === null && object) setForm('png')
            }}
            data={source.choices.map((one) => ({ value: one.id, label: one.title }))}
            disabled={busy}
          />
          <Select
            label="File"
            allowDeselect={false}
            value={form}
            onChange={(value) => setForm((value ?? 'png') as Form)}
            data={[
              { value: 'png', label: 'PNG, exact' },
              { value: 'jpeg', label: 'JPEG, lossy' },
              ...(choice?.slab ? [{ value: 'dicom', label: 'DICOM (Secondary Capture)' }] : []),
            ]}
            disabled={busy}
          />
          <WithPatientData
            identified={identified}
            onChoose={(next) => {
              setIdentified(next)
              setLooked(false)
            }}
            disabled={busy}
          />
          <p>
            {object
              ? identified
                ? 'An object of its own in the study, with the place of the plane in the patient and the images that it was made of.'
                : 'De-identified by PS3.15, with pseudonyms that no other export shares; the place of the plane stays.'
              : identified
                ? 'Name, identifier, birth date and study date stand in the margin, and in the name of the file.'
                : 'Nothing of the patient in picture, margin, file and its name. Orientation stays.'}
          </p>
          {burnedIn ? (
            <div className={classes['warning']} role="alert">
              <p>The images may have writing in the pixels that names the patient.</p>
              <Checkbox label="I have looked: no name in them" checked={looked} onChange={(event) => setLooked(event.currentTarget.checked)} disabled={busy} />
            </div>
          ) : null}
          {object || !choice?.slab ? null : <Switch label="Measurements and text" checked={marks} onChange={(event) => setMarks(event.currentTarget.checked)} disabled={busy} />}
        </div>
        <div className={classes['look']}>{preview ? <img src={preview} alt="As it will leave" /> : <p>Drawing</p>}</div>
      </div>
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
        <Button onClick={() => void leave()} loading={busy} disabled={!preview || (burnedIn > 0 && !looked) || (!identified && !estimate.data)}>
          Export
        </Button>
      </div>
    </Modal>
  )
}
