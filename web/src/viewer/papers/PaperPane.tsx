import { ActionIcon, Loader, Tooltip } from '@mantine/core'
import { IconArrowBackUp, IconDownload } from '@tabler/icons-react'
import { Component, useCallback, useEffect, useMemo, useRef, type ReactNode } from 'react'
import { useSession } from '@/lib/api'
import { later, type Part } from '@/lib/later'
import { formatPersonName } from '@/lib/personname'
import { formatDicomDate } from '@/lib/time'
import type { PaneId } from '../layout'
import type { NamedPoint } from '../shared'
import type { ViewerStudy } from '../study'
import { patientIn } from '../view'
import viewer from '../viewer.module.css'
import type { PaperKind } from './kinds'
import { fileOf, kindWordOf, type Paper, type PaperHands, type PaperLinks, type PaperViewProps } from './paper'
import { PaperPointers } from './PaperPointers'
import type { Places } from './places'
import classes from './papers.module.css'

/** The view of a kind, fetched when the first of it is opened. */
const VIEWS: Record<PaperKind, Part<PaperViewProps>> = {
  pdf: later(() => import('./pdf/PdfView')),
  object: later(() => import('./object/ObjectView')),
  model: later(() => import('./model/ModelView')),
  report: later(() => import('./report/ReportView')),
  text: later(() => import('./text/TextView')),
  video: later(() => import('./video/VideoView')),
  waveform: later(() => import('./waveform/WaveformView')),
}

export interface PaperPaneProps {
  paneId: PaneId
  study: ViewerStudy
  /** `PRIOR · 14 months`; null for the study that is read. */
  prior: string | null
  paper: Paper
  /** The patient of the study that is read, as its images say; another one beside it is called out. */
  patientId: string | null
  active: boolean
  alone: boolean
  over: boolean
  onActivate: () => void
  /** It can be seen. */
  onShown: () => void
  links: (from: PaneId) => PaperLinks
  onHands: (id: PaneId, hands: PaperHands | null) => void
  placesIn: (id: PaneId) => Places | undefined
  /** Of the others in a live session. */
  pointers: readonly NamedPoint[] | undefined
  /** Back to the pictures; null: there are none. */
  onClose: (() => void) | null
}

/** A pane that shows what is no picture, under a line that always says whose it is. */
export function PaperPane(props: PaperPaneProps) {
  const { paneId, study, prior, paper, active, onActivate, onHands, onClose } = props
  const View = VIEWS[paper.kind]
  const patient = patientIn(paper.instance)
  const otherPatient = patient.id !== null && props.patientId !== null && patient.id !== props.patientId
  const shown = useRef(props.onShown)
  useEffect(() => {
    shown.current()
  }, [])
  const take = useCallback((hands: PaperHands | null) => onHands(paneId, hands), [onHands, paneId])
  const { links } = props
  const mine = useMemo(() => links(paneId), [links, paneId])
  const { may } = useSession()
  // Who may look, but take nothing away, has nothing to save.
  const file = may('study.read') || may('result.read') ? fileOf(paper) : null
  return (
    <section
      className={`${viewer['pane']} ${classes['pane']}`}
      data-active={active || undefined}
      data-alone={props.alone || undefined}
      data-over={props.over || undefined}
      data-pane={paneId}
      data-state="paper"
      data-paper={paper.kind}
      data-series-instance-uid={paper.seriesInstanceUid}
      data-sop-instance-uid={paper.sopInstanceUid}
      aria-label={prior ?? 'Current study'}
      onPointerDownCapture={onActivate}
      onWheelCapture={onActivate}
      onFocusCapture={onActivate}
    >
      <header className={classes['head']}>
        <div className={classes['who']}>
          {prior ? <strong className={viewer['prior']}>{prior}</strong> : null}
          {otherPatient ? (
            <strong className={viewer['danger']} role="alert">
              Another patient ID than the study that is read
            </strong>
          ) : null}
          <span className={classes['named']}>
            {patient.name ? <bdi>{formatPersonName(patient.name)}</bdi> : null}
            <span>{patient.id}</span>
          </span>
          <span>{[formatDicomDate(study.study_date), study.study_description].filter(Boolean).join(' · ')}</span>
        </div>
        <div className={classes['what']}>
          <strong dir="auto">{paper.title}</strong>
          <span>{[kindWordOf(paper), paper.seriesNumber === null ? null : `Series ${paper.seriesNumber}`, formatDicomDate(paper.date)].filter(Boolean).join(' · ')}</span>
        </div>
        <div className={classes['acts']}>
          {file ? (
            <Tooltip label={file.words} openDelay={400}>
              <ActionIcon component="a" href={file.href} download={file.name} variant="subtle" aria-label={file.words}>
                <IconDownload size={20} />
              </ActionIcon>
            </Tooltip>
          ) : null}
          {onClose ? (
            <Tooltip label="Back to the images" openDelay={400}>
              <ActionIcon variant="subtle" aria-label="Back to the images" onClick={onClose}>
                <IconArrowBackUp size={20} />
              </ActionIcon>
            </Tooltip>
          ) : null}
        </div>
      </header>
      <div className={classes['body']}>
        <Fault key={paper.key}>
          <View paper={paper} links={mine} onHands={take} meanwhile={<Loader className={viewer['busy']} size="sm" aria-label="Opening" />} />
        </Fault>
        {props.pointers ? <PaperPointers sopInstanceUid={paper.sopInstanceUid} pointers={props.pointers} seenAt={(at) => props.placesIn(paneId)?.seenAt(at) ?? null} /> : null}
      </div>
    </section>
  )
}

/** What cannot be shown is said where it would be, and takes nothing else with it. */
class Fault extends Component<{ children: ReactNode }, { failed: boolean }> {
  override state = { failed: false }

  static getDerivedStateFromError() {
    return { failed: true }
  }

  override render() {
    if (!this.state.failed) return this.props.children
    return (
      <p className={classes['note']} role="alert">
        This could not be shown. It is safe in the archive; it can be saved and opened elsewhere.
      </p>
    )
  }
}
