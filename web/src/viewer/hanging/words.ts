import { formatDicomDate } from '@/lib/time'
import { priorLabel, type ViewerStudy } from '../study'
import { owner } from './choose'
import type { Box, Definition, Protocol, Selector } from './types'

const SIDE = { L: 'LEFT', R: 'RIGHT', B: 'BOTH SIDES' } as const
export const PLANE_LABEL = { TRANSVERSE: 'axial', SAGITTAL: 'sagittal', CORONAL: 'coronal', OBLIQUE: 'oblique' } as const

/** What a rule asks of a series, `MR · sagittal · “t2”`. */
export function selectorWords(asked: Selector): string {
  const { slice_thickness_min: least, slice_thickness_max: most } = asked
  const words = [
    asked.modality,
    asked.is_localizer ? 'localiser' : null,
    asked.plane ? PLANE_LABEL[asked.plane] : null,
    asked.patient_orientation?.join('/'),
    asked.image_laterality ? SIDE[asked.image_laterality] : null,
    asked.view_position,
    asked.series_description ? `“${asked.series_description}”` : null,
    asked.contrast_bolus === true ? 'with contrast' : asked.contrast_bolus === false ? 'without contrast' : null,
    asked.scanning_sequence?.join(' '),
    asked.convolution_kernel ? `kernel ${asked.convolution_kernel}` : null,
    least != null || most != null ? `slices ${[least != null ? `from ${least}` : null, most != null ? `to ${most}` : null].filter(Boolean).join(' ')} mm` : null,
    asked.occurrence > 1 ? `number ${asked.occurrence} of these` : null,
  ].filter(Boolean)
  return words.length ? words.join(' · ') : 'any series'
}

/** Which box a rule fills: `Current: CT · axial`, `Prior 2: MG · LEFT · CC`. */
export function boxWords(box: Box): string {
  return `${box.abstract_prior_value ? `Prior ${box.abstract_prior_value}` : 'Current'}: ${selectorWords(box.selector)}`
}

/** What a protocol asks of a study: `CT · HEAD · 1 prior or more`. */
export function definitionWords(asked: Definition): string {
  const count = asked.number_of_priors_referenced
  const words = [
    asked.procedure_code ? `procedure ${asked.procedure_code}` : null,
    asked.procedure ? `“${asked.procedure}”` : null,
    asked.modality,
    asked.body_part_examined,
    asked.laterality ? SIDE[asked.laterality] : null,
    asked.view_position,
    count ? `${count} prior${count === 1 ? '' : 's'} or more` : null,
  ].filter(Boolean)
  return words.length ? words.join(' · ') : 'no condition'
}

/** Whose a protocol is. */
export function ownerWords(protocol: Pick<Protocol, 'hanging_protocol_level' | 'site_pk' | 'site_code'>): string {
  return ['yours', `site ${protocol.site_code ?? ''}`.trim(), 'for everybody'][owner(protocol)] ?? ''
}

/** `PRIOR · 14 months · 3 Mar 2025`: how it stands where a prior's box is empty. */
export function priorWords(prior: ViewerStudy, study: ViewerStudy): string {
  return [priorLabel(prior, study), formatDicomDate(prior.study_date)].filter(Boolean).join(' · ')
}
