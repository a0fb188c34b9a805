/** One value of the DICOM JSON Model (PS3.18 F.2). */
export interface DicomElement {
  vr: string
  Value?: unknown[]
  BulkDataURI?: string
  /** Base64. */
  InlineBinary?: string
}

/** One instance's metadata as WADO-RS answers it, by tag. */
export type DicomJson = Record<string, DicomElement>

/** The tags the viewer reads, by DICOM keyword. */
export const TAG = {
  ImageType: '00080008',
  SOPClassUID: '00080016',
  SOPInstanceUID: '00080018',
  Modality: '00080060',
  SeriesDescription: '0008103E',
  BodyPartExamined: '00180015',
  CineRate: '00180040',
  SliceThickness: '00180050',
  ImagerPixelSpacing: '00181164',
  EstimatedRadiographicMagnificationFactor: '00181114',
  ViewPosition: '00185101',
  SequenceOfUltrasoundRegions: '00186011',
  PhysicalUnitsXDirection: '00186024',
  PhysicalUnitsYDirection: '00186026',
  PhysicalDeltaX: '0018602C',
  PhysicalDeltaY: '0018602E',
  SeriesInstanceUID: '0020000E',
  SeriesNumber: '00200011',
  InstanceNumber: '00200013',
  PatientOrientation: '00200020',
  ImagePositionPatient: '00200032',
  ImageOrientationPatient: '00200037',
  FrameOfReferenceUID: '00200052',
  Laterality: '00200060',
  ImageLaterality: '00200062',
  FrameLaterality: '00209072',
  SamplesPerPixel: '00280002',
  PhotometricInterpretation: '00280004',
  NumberOfFrames: '00280008',
  Rows: '00280010',
  Columns: '00280011',
  PixelSpacing: '00280030',
  PixelAspectRatio: '00280034',
  PixelSpacingCalibrationType: '00280A02',
  WindowCenter: '00281050',
  WindowWidth: '00281051',
  WindowCenterWidthExplanation: '00281055',
  LossyImageCompression: '00282110',
  NumberOfSeriesRelatedInstances: '00201209',
  PixelData: '7FE00010',
  SharedFunctionalGroupsSequence: '52009229',
  PerFrameFunctionalGroupsSequence: '52009230',
  PlanePositionSequence: '00209113',
  PlaneOrientationSequence: '00209116',
  PixelMeasuresSequence: '00289110',
} as const

export function values(instance: DicomJson | undefined, tag: string): unknown[] {
  return instance?.[tag]?.Value ?? []
}

export function text(instance: DicomJson | undefined, tag: string): string | null {
  const value = values(instance, tag)[0]
  if (typeof value === 'string') return value.trim() || null
  return typeof value === 'number' ? String(value) : null
}

export function texts(instance: DicomJson | undefined, tag: string): string[] {
  return values(instance, tag).filter((value): value is string => typeof value === 'string')
}

/** Numbers of DS, IS, US, FD …; a value that is no number is left out. */
export function numbers(instance: DicomJson | undefined, tag: string): number[] {
  return values(instance, tag)
    .map((value) => (typeof value === 'string' ? Number.parseFloat(value) : value))
    .filter((value): value is number => typeof value === 'number' && Number.isFinite(value))
}

export function number(instance: DicomJson | undefined, tag: string): number | null {
  return numbers(instance, tag)[0] ?? null
}

/** The first item of a sequence. */
export function item(instance: DicomJson | undefined, tag: string): DicomJson | undefined {
  const first = values(instance, tag)[0]
  return first !== null && typeof first === 'object' ? (first as DicomJson) : undefined
}
