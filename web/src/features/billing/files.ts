import { http } from '@/lib/api'
import { saveFile } from '@/lib/csv'

/** Hands a claim file to the person, exactly as the server made it. */
export async function download(claimBatchPk: number): Promise<void> {
  const content = await http.blob(`/api/billing/batches/${claimBatchPk}/file`)
  saveFile(`837P-${claimBatchPk}.edi`, content, 'application/EDI-X12')
}
