"""Patches for AWS Backup."""

import re
import time

from ministack.services import backup

from patching import replace

DAY = 24 * 60 * 60  # seconds
VAULT_LOCK = re.compile(r"/backup-vaults/([^/]+)/vault-lock")


def apply():
    vault_locks()
    filled_vaults()


def vault_locks():
    """{Put,Delete}BackupVaultLockConfiguration: MiniStack lacks them. Terraform reads the lock of a vault with
    DescribeBackupVault. On AWS, a lock with ChangeableForDays is permanent from then on."""

    async def handle(method, path, headers, body, query):
        match = VAULT_LOCK.fullmatch(path)
        if not match or method not in ("PUT", "DELETE"):
            return await original_handle(method, path, headers, body, query)
        vault = backup._vaults.get(match[1])
        if vault is None:
            return backup._not_found(f"Backup vault {match[1]} does not exist.")
        if "LockDate" in vault and vault["LockDate"] < time.time():
            return backup._err("InvalidRequestException", "The vault lock is immutable.")
        for name in ("MinRetentionDays", "MaxRetentionDays", "LockDate"):
            vault.pop(name, None)
        vault["Locked"] = method == "PUT"
        if method == "PUT":
            lock = backup.json.loads(body)
            if "ChangeableForDays" in lock:
                vault["LockDate"] = int(time.time()) + lock.pop("ChangeableForDays") * DAY
            vault.update(lock)
        return backup._no_content()

    original_handle = replace(backup, "handle_request", handle)


def filled_vaults():
    """DeleteBackupVault: AWS refuses to delete a vault with recovery points; MiniStack deletes it."""

    def delete(name):
        vault = backup._vaults.get(name)
        if vault and vault["NumberOfRecoveryPoints"]:
            return backup._err(
                "InvalidRequestException",
                f"Backup vault cannot be deleted (contains {vault['NumberOfRecoveryPoints']} recovery points)",
            )
        return original_delete(name)

    original_delete = replace(backup, "_delete_vault", delete)
