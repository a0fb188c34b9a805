export { Mark } from './Mark'
export { UiProvider, useLight, type Light, type LightChoice } from './UiProvider'
export { Facts, Screen, Section, type ScreenProps } from './Screen'
export { PatientBar, type PatientBarPatient } from './PatientBar'
export {
  Age,
  DateTime,
  DicomDate,
  Glyph,
  Laterality,
  PersonName,
  Priority,
  ProcedureName,
  ServiceClock,
  StateSign,
  StatFlag,
  stateLook,
  useNow,
  type Shape,
  type StateOf,
} from './signs'
export { Empty, Fault, Later, Outline, ProblemNote, ProblemText, ProgressNote, toast, toastProblem } from './feedback'
export { WorkList, type WorkListProps } from './worklist/WorkList'
export type { Sort, WorkAction, WorkColumn, WorkFilter, WorkView } from './worklist/model'
export { ConfirmIrreversible, ReauthDialog, Refusal, type Reauthentication } from './forms/dialogs'
export { ReasonDialog } from './forms/ReasonDialog'
export { Form, Wide } from './forms/Form'
export { useProblemForm, type ProblemForm } from './forms/useProblemForm'
