import { IconBox, IconFileCode, IconFileText, IconFileTypePdf, IconHeartbeat, IconReportMedical, IconVideo, type Icon } from '@tabler/icons-react'
import { formatDicomDate } from '@/lib/time'
import viewer from '../viewer.module.css'
import type { PaperKind } from './kinds'
import { kindWordOf, type Paper } from './paper'
import classes from './papers.module.css'

const SIGN: Readonly<Record<PaperKind, Icon>> = {
  pdf: IconFileTypePdf,
  text: IconFileText,
  report: IconReportMedical,
  waveform: IconHeartbeat,
  video: IconVideo,
  model: IconBox,
  object: IconFileCode,
}

/** What a paper looks like among the series: its sign where a series has a picture. */
export function PaperCard({ paper }: { paper: Paper }) {
  const Sign = SIGN[paper.kind]
  return (
    <>
      <span className={classes['sign']}>
        <Sign size={32} stroke={1.4} aria-hidden />
        <span>{kindWordOf(paper)}</span>
        <span>{formatDicomDate(paper.date)}</span>
      </span>
      <span className={viewer['thumbWords']}>
        <span dir="auto">{paper.title}</span>
      </span>
    </>
  )
}
