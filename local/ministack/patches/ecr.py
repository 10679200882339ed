"""Patches for ECR."""

from ministack.services import ecr

from patching import replace


def apply():
    images()


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
