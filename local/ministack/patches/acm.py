"""Patches for ACM."""

import json

from ministack.services import acm

from patching import replace


def apply():
    listed_expiry()


def listed_expiry():
    """ListCertificates: AWS returns when each certificate expires; MiniStack does not."""

    def list_certificates(request):
        _, _, body = original_list(request)
        response = json.loads(body)
        for summary in response["CertificateSummaryList"]:
            summary["NotAfter"] = acm._epoch(acm._certificates[summary["CertificateArn"]]["NotAfter"])
        return acm.json_response(response)

    original_list = replace(acm, "_list_certificates", list_certificates)
