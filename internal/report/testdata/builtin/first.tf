resource "terraform_data" "old_name" {
  input = "unchanged"
}

resource "terraform_data" "forgotten" {
  input = "unchanged"
}
