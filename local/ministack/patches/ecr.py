"""Patches for ECR."""

import json

from ministack.services import ecr

from patching import replace


def apply():
    images()
    scans()


def images():
    """DescribeImages: AWS returns ImageNotFoundException if one of the images does not exist; MiniStack leaves the
    image out of the response. The application's pipeline pushes an image only after this error."""

    def describe(request):
        repository = request.get("repositoryName")
        for image in request.get("imageIds") or []:
            if repository in ecr._repositories and not ecr._find_image(repository, image):
                message = (
                    f"The image with imageId {image} does not exist within the repository with name '{repository}'"
                )
                return ecr.error_response_json("ImageNotFoundException", message, 400)
        return original_describe(request)

    original_describe = replace(ecr, "_describe_images", describe)


def scans():
    """DescribeImageScanFindings: MiniStack lacks it. An image has a complete scan without findings if its repository
    scans on push."""

    async def handle(method, path, headers, body, query_params):
        if headers.get("x-amz-target", "").endswith(".DescribeImageScanFindings"):
            return findings(json.loads(body))
        return await original_handle(method, path, headers, body, query_params)

    original_handle = replace(ecr, "handle_request", handle)


def findings(request):
    repository, image = request["repositoryName"], request["imageId"]
    if repository not in ecr._repositories:
        message = f"The repository with name '{repository}' does not exist"
        return ecr.error_response_json("RepositoryNotFoundException", message, 400)
    found = ecr._find_image(repository, image)
    if not found:
        message = f"The image with imageId {image} does not exist within the repository with name '{repository}'"
        return ecr.error_response_json("ImageNotFoundException", message, 400)
    if not ecr._repositories[repository]["imageScanningConfiguration"]["scanOnPush"]:
        message = f"Image scan does not exist for the image with '{image}' in the repository with name '{repository}'"
        return ecr.error_response_json("ScanNotFoundException", message, 400)
    return ecr.json_response(
        {
            "registryId": ecr._registry_id(),
            "repositoryName": repository,
            "imageId": found["imageId"],
            "imageScanStatus": {"status": "COMPLETE", "description": "The scan was completed successfully."},
            "imageScanFindings": {
                "imageScanCompletedAt": found.get("imagePushedAt"),
                "findings": [],
                "findingSeverityCounts": {},
            },
        }
    )
