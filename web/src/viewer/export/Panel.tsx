import { Button, Checkbox, Modal, NumberInput, SegmentedControl, Select, Switch } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useEffect, useMemo, useRef, useState } from 'react'
import { saveFile } from '@/lib/csv'
import { load, save } from '@/lib/storage'
import { Fault, ProblemText, ProgressNote, toast } from '@/ui'
import { asProblem } from '@/lib/api'
import type { DicomJson } from '../dicom'
import type { Engine } from '../engine'
import type { Shown as Laid } from '../overlays/useOverlays'
import { speltLaterality } from '../stacks'
import { placeWords, seriesWords, windowWords } from './framed'
import { identityOf } from './identity'
import {
  estimateOf,
  fetchFileSet,
  makePictures,
  makeVideo,
  recordPictures,
  scopesOf,
  taken,
  withMargins,
  type FileSetWanted,
  type Pick,
  type Progress,
  type Scope,
  type Wanted,
} from './make'
import { PaperChoice, Pages, sheetsFor, type PaperChoices } from './PaperChoice'
import { SheetsForPrinter, type PrintPicture } from './Sheets'
import { videoFault } from './video'
import { WithPatientData } from './WithPatientData'
import classes from './export.module.css'

/** What can leave a viewer as it is now. */
export interface Source {
  engine: Engine
  /** An object's graphics that are shown over the pictures. */
  graphics: DicomJson | null
  /** Segmentations and structures that are shown over the pictures. */
  laid: readonly Laid[]
  active: Pick
  panes: readonly Pick[]
  keys: readonly Pick[]
}

export type Purpose = 'picture' | 'video' | 'dicom' | 'print'
type What = 'image' | 'panes' | 'keys' | 'series'
type Level = 'image' | 'series' | 'study'

interface Choices extends PaperChoices {
  form: 'png' | 'jpeg'
  size: 'screen' | 'image'
  measurements: boolean
  overlays: boolean
  laid: boolean
}

const USUAL: Choices = { form: 'png', size: 'screen', measurements: true, overlays: true, laid: true, paper: 'A4', lying: false, grid: '1x1', trueSize: false }
const PURPOSES: { value: Purpose; label: string }[] = [
  { value: 'picture', label: 'Picture' },
  { value: 'video', label: 'Video' },
  { value: 'dicom', label: 'DICOM' },
  { value: 'print', label: 'Print' },
]
const PRINTED_MAX = 240
const NONE: readonly Laid[] = []

export default function Panel({ source, purpose: asked, onClose }: { source: Source; purpose: Purpose; onClose: () => void }) {
  const { engine, active, panes, keys, graphics, laid } = source
  const [purpose, setPurpose] = useState(asked)
  const [choices, setChoices] = useState<Choices>(() => ({ ...USUAL, ...load<Partial<Choices>>('viewer-export', {}) }))
  const [what, setWhat] = useState<What>('image')
  const [level, setLevel] = useState<Level>('study')
  const [identified, setIdentified] = useState(true)
  const [looked, setLooked] = useState(false)
  const [uncompressed, setUncompressed] = useState(false)
  const [rate, setRate] = useState(() => Math.round(active.stack.cineRate ?? 10))
  const [every, setEvery] = useState(1)
  const [progress, setProgress] = useState<Progress | null>(null)
  const [fault, setFault] = useState<unknown>(null)
  const [sheets, setSheets] = useState<readonly PrintPicture[] | null>(null)
  const stop = useRef<AbortController | null>(null)

  const choose = (change: Partial<Choices>) => {
    const next = { ...choices, ...change }
    setChoices(next)
    save('viewer-export', next)
  }

  const shown: What = purpose === 'video' ? 'series' : what
  const picks = useMemo(() => {
    if (shown === 'image') return [active]
    if (shown === 'panes') return panes
    if (shown === 'keys') return keys
    const step = purpose === 'video' ? 1 : every
    return active.stack.frames.flatMap((_, index) => (index % step === 0 ? [{ ...active, index }] : []))
  }, [shown, active, panes, keys, every, purpose])
  const size = purpose === 'print' ? 'image' : choices.size
  const wanted: Wanted = useMemo(
    () => ({ identified, size, measurements: choices.measurements, overlays: choices.overlays, laid: choices.laid ? laid : NONE, graphics }),
    [identified, size, choices.measurements, choices.overlays, choices.laid, laid, graphics],
  )
  const identity = identityOf(active.stack.frames[active.index]?.metadata ?? {})

  // What is prepared for paper is of these pictures, and of no others.
  useEffect(() => () => sheets?.forEach((sheet) => URL.revokeObjectURL(sheet.url)), [sheets])
  useEffect(() => {
    setSheets(null)
  }, [picks, wanted, purpose])
  useEffect(() => () => stop.current?.abort(), [])

  const scopes: Scope[] = purpose === 'dicom' ? scopesAt(active, level) : scopesOf(picks)
  const fileSet: FileSetWanted = { scopes, identified, uncompressed, burnedInAccepted: looked }
  const estimate = useQuery({
    queryKey: ['export-estimate', identified, scopes],
    queryFn: ({ signal }) => estimateOf(fileSet, signal),
    enabled: purpose === 'dicom' || !identified,
    staleTime: 30_000,
  })
  const video = useQuery({ queryKey: ['video-fault'], queryFn: videoFault, enabled: purpose === 'video', staleTime: Infinity })
  const burnedIn = identified ? 0 : (estimate.data?.burned_in ?? 0)
  const heldBack = identified ? 0 : (estimate.data?.held_back ?? 0)
  const mustLook = purpose !== 'dicom' && burnedIn > 0 && !looked

  const preview = usePreview(engine, purpose === 'picture' || purpose === 'video' ? (picks[0] ?? null) : null, wanted, purpose === 'video' || choices.form === 'jpeg')

  const run = async (make: (signal: AbortSignal) => Promise<void>) => {
    const controller = new AbortController()
    stop.current = controller
    setFault(null)
    setProgress({ done: 0, of: purpose === 'dicom' ? (estimate.data?.size_bytes ?? 0) : picks.length })
    try {
      await make(controller.signal)
    } catch (error) {
      if (!controller.signal.aborted) setFault(error)
    } finally {
      setProgress(null)
    }
  }

  const leave = () =>
    run(async (signal) => {
      if (purpose === 'dicom') {
        const file = await fetchFileSet(fileSet, identity, estimate.data?.size_bytes ?? 0, signal, setProgress)
        saveFile(file.name, file.content, file.content.type)
        toast('The DICOM file-set is in your downloads.')
        return onClose()
      }
      const form = purpose === 'picture' ? choices.form : purpose
      await recordPictures(picks, form, identified, looked, signal)
      if (purpose === 'print') return setSheets(await prepared(signal))
      const file =
        purpose === 'video'
          ? await makeVideo(engine, picks, rate, wanted, signal, setProgress)
          : await makePictures(engine, picks, choices.form, wanted, signal, setProgress)
      saveFile(file.name, file.content, file.content.type)
      toast(purpose === 'video' ? 'The video is in your downloads.' : picks.length > 1 ? `${picks.length} pictures are in your downloads.` : 'The picture is in your downloads.')
      onClose()
    })

  const prepared = async (signal: AbortSignal): Promise<PrintPicture[]> => {
    const made: PrintPicture[] = []
    for await (const { pick, taken: one, identity: who } of taken(engine, picks, wanted, signal)) {
      const blob = await new Promise<Blob | null>((done) => one.canvas.toBlob(done, 'image/png'))
      if (!blob) throw new Error('A picture could not be packed: it may be too large for this device.')
      const calibrated = one.frame.calibration.kind !== 'none' && one.frame.calibration.kind !== 'region'
      made.push({
        key: `${pick.stack.key}:${pick.index}`,
        url: URL.createObjectURL(blob),
        pixels: { width: one.canvas.width, height: one.canvas.height },
        pixel_mm: calibrated && one.view.pixelsPerUnit > 0 ? 1 / (one.view.pixelsPerUnit * one.ratio) : null,
        calibration: one.frame.calibration.label,
        edges: one.view.edges,
        laterality: speltLaterality(one.frame.laterality),
        studyDate: identified ? who.studyDate : null,
        words: [seriesWords(pick.stack, identified), one.frame.viewPosition, placeWords(one), ...windowWords(one), one.frame.lossy ? 'Lossy compression' : null].filter(Boolean).join(' · '),
      })
      setProgress({ done: made.length, of: picks.length })
    }
    return made
  }

  const busy = progress !== null
  const count = picks.length
  const frame = active.stack.frames[active.index]
  const tooMany = purpose === 'print' && count > PRINTED_MAX
  const nothing = purpose === 'dicom' ? estimate.data !== undefined && estimate.data.number_of_instances <= heldBack + (looked ? 0 : burnedIn) : count === 0
  const paper = { pictures: sheets ?? [], identity: identified ? identity : null, paper: choices.paper, lying: choices.lying, grid: choices.grid, trueSize: choices.trueSize }

  return (
    <Modal opened onClose={() => (busy ? undefined : onClose())} title="Export and print" size="min(1080px, 96vw)" centered>
      <div className={classes['panel']} data-testid="export">
        <div className={classes['choices']}>
          <SegmentedControl fullWidth data={PURPOSES} value={purpose} onChange={(value) => setPurpose(value as Purpose)} disabled={busy} aria-label="What is made" />
          {purpose === 'dicom' ? (
            <Select
              label="Objects"
              allowDeselect={false}
              value={level}
              onChange={(value) => setLevel((value ?? 'study') as Level)}
              data={[
                { value: 'study', label: 'This study' },
                { value: 'series', label: `This series: ${active.stack.label}` },
                { value: 'image', label: 'This image' },
              ]}
              disabled={busy}
            />
          ) : purpose === 'video' ? (
            <p>
              All {count} images of this series, as they scroll. {active.stack.label}
            </p>
          ) : (
            <Select
              label="Images"
              allowDeselect={false}
              value={what}
              onChange={(value) => setWhat((value ?? 'image') as What)}
              data={[
                { value: 'image', label: 'This image' },
                ...(panes.length > 1 ? [{ value: 'panes', label: `All panes (${panes.length})` }] : []),
                ...(keys.length ? [{ value: 'keys', label: `Key images (${keys.length})` }] : []),
                ...(active.stack.length > 1 ? [{ value: 'series', label: `This series (${active.stack.length} images)` }] : []),
              ]}
              disabled={busy}
            />
          )}
          {what === 'series' && purpose !== 'video' && purpose !== 'dicom' ? (
            <NumberInput label="One of every" suffix={every === 1 ? ' image: all' : ' images'} min={1} max={active.stack.length} value={every} onChange={(value) => setEvery(Math.max(1, Number(value) || 1))} disabled={busy} />
          ) : null}
          <WithPatientData
            identified={identified}
            onChoose={(next) => {
              setIdentified(next)
              setLooked(false)
            }}
            disabled={busy}
          />
          <p>
            {identified
              ? purpose === 'dicom'
                ? 'Objects as the archive holds them, corrections laid over.'
                : 'Name, identifier, birth date and study date stand in the margin, and in the name of the file.'
              : purpose === 'dicom'
                ? 'De-identified by PS3.15, with pseudonyms that no other export shares.'
                : 'Nothing of the patient in picture, margin, file and its name. Side and orientation stay.'}
          </p>
          {burnedIn > 0 || heldBack > 0 ? (
            <div className={classes['warning']} role="alert">
              {burnedIn ? (
                <p>
                  {burnedIn} image{burnedIn === 1 ? '' : 's'} may have writing in the pixels that names the patient{purpose === 'dicom' && !looked ? ', and will be held back' : ''}.
                </p>
              ) : null}
              {heldBack ? <p>{heldBack} reports or documents cannot be cleaned and are held back.</p> : null}
              {burnedIn ? <Checkbox label="I have looked: no name in them" checked={looked} onChange={(event) => setLooked(event.currentTarget.checked)} disabled={busy} /> : null}
            </div>
          ) : null}
          {purpose === 'picture' ? (
            <div className={classes['pair']}>
              <Select
                label="File"
                allowDeselect={false}
                value={choices.form}
                onChange={(value) => choose({ form: value === 'jpeg' ? 'jpeg' : 'png' })}
                data={[
                  { value: 'png', label: 'PNG, exact' },
                  { value: 'jpeg', label: 'JPEG, lossy' },
                ]}
                disabled={busy}
              />
              <SizeChoice size={choices.size} onSize={(next) => choose({ size: next })} disabled={busy} />
            </div>
          ) : null}
          {purpose === 'video' ? (
            <div className={classes['pair']}>
              <NumberInput label="Images a second" min={1} max={60} value={rate} onChange={(value) => setRate(Math.min(60, Math.max(1, Math.round(Number(value) || 1))))} disabled={busy} />
              <SizeChoice size={choices.size} onSize={(next) => choose({ size: next })} disabled={busy} />
            </div>
          ) : null}
          {purpose === 'print' ? (
            <PaperChoice
              choices={choices}
              onChoose={choose}
              unscaled={frame && (frame.calibration.kind === 'none' || frame.calibration.kind === 'region') ? 'This image is not calibrated.' : undefined}
            />
          ) : null}
          {purpose === 'dicom' ? (
            <Switch label="Uncompressed" description="For discs that any reader takes; larger." checked={uncompressed} onChange={(event) => setUncompressed(event.currentTarget.checked)} disabled={busy} />
          ) : (
            <>
              <Switch label="Measurements and text" checked={choices.measurements} onChange={(event) => choose({ measurements: event.currentTarget.checked })} disabled={busy} />
              <Switch
                label="Overlays of the device"
                description={identified ? undefined : 'Left out: they may have writing.'}
                checked={choices.overlays && identified}
                onChange={(event) => choose({ overlays: event.currentTarget.checked })}
                disabled={busy || !identified}
              />
              {laid.length ? <Switch label="Segmentations and structures" checked={choices.laid} onChange={(event) => choose({ laid: event.currentTarget.checked })} disabled={busy} /> : null}
            </>
          )}
        </div>
        <div className={classes['look']}>
          {purpose === 'dicom' ? (
            <p>
              {estimate.data ? (
                <>
                  {estimate.data.number_of_instances} objects, {bytesWords(estimate.data.size_bytes)}
                  <br />
                  One ZIP with DICOMDIR
                </>
              ) : estimate.error ? (
                'The objects could not be counted.'
              ) : (
                'Counting the objects'
              )}
            </p>
          ) : purpose === 'print' ? (
            sheets ? (
              <Pages {...paper} />
            ) : (
              <p>
                {sheetsFor(count, choices.grid)}
                {tooMany ? `. At most ${PRINTED_MAX} images are printed at once.` : null}
              </p>
            )
          ) : purpose === 'video' && video.data ? (
            <p>{video.data}</p>
          ) : preview.fault ? (
            <p role="alert">{preview.fault}</p>
          ) : preview.url ? (
            <img src={preview.url} alt="As it will leave" />
          ) : (
            <p>Drawing</p>
          )}
        </div>
      </div>
      {sheets ? <SheetsForPrinter {...paper} /> : null}
      <div className={classes['actions']}>
        <div>
          {fault || estimate.error ? (
            <Fault>
              <ProblemText problem={asProblem(fault ?? estimate.error)} />
            </Fault>
          ) : null}
          {progress ? (
            <ProgressNote
              label={purpose === 'dicom' ? `${bytesWords(progress.done)} of about ${bytesWords(progress.of)}` : 'Drawing the images'}
              done={progress.done}
              total={Math.max(1, progress.of)}
              onStop={() => stop.current?.abort()}
            />
          ) : null}
        </div>
        <Button variant="default" onClick={onClose} disabled={busy}>
          Close
        </Button>
        {purpose === 'print' && sheets ? (
          <Button onClick={() => window.print()}>Print</Button>
        ) : (
          <Button
            onClick={() => void leave()}
            disabled={busy || mustLook || nothing || tooMany || (purpose === 'video' && video.data !== null) || (!identified && estimate.isFetching)}
          >
            {purpose === 'print' ? 'Prepare sheets' : count > 1 && purpose === 'picture' ? `Export ${count} pictures` : 'Export'}
          </Button>
        )}
      </div>
    </Modal>
  )
}

function SizeChoice({ size, onSize, disabled }: { size: 'screen' | 'image'; onSize: (size: 'screen' | 'image') => void; disabled: boolean }) {
  return (
    <Select
      label="Size"
      allowDeselect={false}
      value={size}
      onChange={(value) => onSize(value === 'image' ? 'image' : 'screen')}
      data={[
        { value: 'screen', label: 'As on screen' },
        { value: 'image', label: 'Image pixels' },
      ]}
      disabled={disabled}
    />
  )
}

function scopesAt({ study, stack, index }: Pick, level: Level): Scope[] {
  const frame = stack.frames[index]
  return [
    {
      study_instance_uid: study.study_instance_uid,
      ...(level === 'study' ? {} : { series_instance_uid: stack.seriesInstanceUid }),
      sop_instance_uids: level === 'image' && frame ? [frame.sopInstanceUid] : [],
    },
  ]
}

function bytesWords(bytes: number): string {
  if (bytes < 1e6) return `${Math.max(1, Math.round(bytes / 1e3))} kB`
  return bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`
}

/** The first picture, as it will leave. */
function usePreview(engine: Engine, pick: Pick | null, wanted: Wanted, lossy: boolean): { url: string | null; fault: string | null } {
  const [shown, setShown] = useState<{ url: string | null; fault: string | null }>({ url: null, fault: null })
  useEffect(() => {
    if (!pick) return
    const controller = new AbortController()
    let url: string | null = null
    const draw = async () => {
      for await (const { taken: one, identity } of taken(engine, [pick], wanted, controller.signal)) {
        const canvas = withMargins(pick, one, identity, wanted, lossy)
        const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, 'image/png'))
        if (controller.signal.aborted || !blob) return
        url = URL.createObjectURL(blob)
        setShown({ url, fault: null })
      }
    }
    draw().catch((error: unknown) => (controller.signal.aborted ? undefined : setShown({ url: null, fault: error instanceof Error ? error.message : 'The picture could not be drawn.' })))
    return () => {
      controller.abort()
      if (url) URL.revokeObjectURL(url)
    }
  }, [engine, pick, wanted, lossy])
  return shown
}
