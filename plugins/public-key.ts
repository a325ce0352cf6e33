import { createPublicKey, type KeyObject } from 'node:crypto'

/** The keys that verify RS256, ES256 and EdDSA, as error messages describe them. */
export const PUBLIC_KEYS = 'a PEM public key: RSA (2048 bits or more), EC P-256 or Ed25519'
/** Shorter RSA keys no longer protect signatures (NIST SP 800-131A). */
const RSA_BITS_MIN = 2048

export function isGoodKey ({ type, asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (type !== 'public') return false
  if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_BITS_MIN
  return asymmetricKeyType === 'ed25519' || (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1')
}

/** Whether the text is the PEM of an acceptable public key. */
export function isGoodPem (pem: string): boolean {
  if (!pem.includes('PUBLIC KEY')) return false
  try {
    return isGoodKey(createPublicKey(pem))
  } catch {
    return false
  }
}
