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
  ServiceClock,
  StateSign,
  StatFlag,
  stateLook,
  useNow,
  type Shape,
  type StateOf,
} from './signs'
export { Empty, Later, Outline, ProblemNote, ProblemText, ProgressNote, toast, toastProblem } from './feedback'
