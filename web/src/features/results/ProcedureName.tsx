import { Laterality } from '@/ui'

/** A procedure with its side spelt once: the description often ends with it already. */
export function ProcedureName({ description, laterality }: { description: string; laterality: string | null }) {
  const plain = laterality ? description.replace(/, (LEFT|RIGHT|BILATERAL)$/, '') : description
  return (
    <>
      {plain} <Laterality value={laterality} />
    </>
  )
}
