import type { Vault } from "../content/vault.ts";

/** How much room the vault has. */
export type VaultRoom = Pick<Vault, "heldBytes" | "bytesMax" | "isFull"> &
  Partial<Pick<Vault, "isRefusingWrites">>;

/** For the operator; `bytes_max` is null when only the disk is the bound. */
export function vaultForm({ heldBytes, bytesMax, isFull }: VaultRoom): Readonly<Record<string, unknown>> {
  return { bytes: heldBytes, bytes_max: bytesMax === 0 ? null : bytesMax, is_full: isFull };
}
