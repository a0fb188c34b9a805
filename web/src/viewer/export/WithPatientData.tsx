import { SegmentedControl } from '@mantine/core'

/** Whether what leaves says whose it is. */
export function WithPatientData({ identified, onChoose, disabled }: { identified: boolean; onChoose: (identified: boolean) => void; disabled: boolean }) {
  return (
    <SegmentedControl
      fullWidth
      aria-label="Patient data"
      data={[
        { value: 'with', label: 'With patient data' },
        { value: 'without', label: 'Without' },
      ]}
      value={identified ? 'with' : 'without'}
      onChange={(value) => onChoose(value === 'with')}
      disabled={disabled}
    />
  )
}
